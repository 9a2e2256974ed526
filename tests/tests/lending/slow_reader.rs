//! A slow reader closes its own window, and pins no more than its budget.

use super::*;

#[test]
fn closes_its_own_window_and_nobody_elses() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 32 * 1024));
    let slow = peer.established();
    peer.uses_port(40_001);
    let quick = peer.established();
    peer.uses_port(Peer::OWN_PORT);
    let window = fill(&mut peer);
    assert_eq!(window, 0, "the slow one's window is closed");
    let pinned = peer.pools.held() * Pools::SLOT;
    assert!(pinned <= 32 * 1024 * 5 / 4 + Pools::SLOT, "{pinned} bytes are pinned");
    peer.uses_port(40_001);
    for _ in 0..100 {
        peer.sends(data(&[7; 1460]));
        assert_eq!(peer.reads(quick).len(), 1460);
        assert!(peer.takes_all().iter().all(|came| came.window > 2000), "the quick one's window stays open");
    }
    // Reading opens the window again, and the peer is told.
    peer.uses_port(Peer::OWN_PORT);
    peer.takes_all();
    assert!(!peer.reads(slow).is_empty());
    let update = peer.expects(ack());
    assert!(update.window > 15_000, "{}", update.window);
}

/// Sends full segments while the window lasts; returns the window in the end.
fn fill(peer: &mut Peer) -> u16 {
    let mut edge = None;
    let mut next = 1u32;
    for _ in 0..200 {
        let room = edge.map_or(10_000, |edge: u32| edge.saturating_sub(next)).min(1460);
        if room == 0 {
            break;
        }
        peer.sends(data(&vec![1; room as usize]));
        next += room;
        peer.waits(Span::from_millis(50));
        let last = peer.takes_all().pop().expect("data is acknowledged within its delay");
        edge = Some(last.ack + u32::from(last.window));
        if last.window == 0 {
            return 0;
        }
    }
    u16::MAX
}

#[test]
fn under_a_flood_of_small_segments_pins_no_more_than_its_budget() {
    const BUDGET: u32 = 32 * 1024;
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = BUDGET));
    let connection = peer.established();
    for number in 0..2000 {
        peer.sends(data(&[number as u8; 7]).seq(1 + number * 7));
    }
    let pinned = peer.pools.held() * Pools::SLOT;
    assert!(pinned <= (BUDGET + BUDGET / 4) as usize + 2 * Pools::SLOT, "{pinned} bytes are pinned");
    // What was acknowledged is there.
    peer.waits(Span::from_millis(50));
    let last = peer.takes_all().pop().expect("an acknowledgment");
    assert_eq!(peer.reads(connection).len() as u32, last.ack - 1);
    assert_eq!(peer.pools.held(), 0);
}

#[test]
fn under_a_flood_of_small_segments_with_holes_pins_no_more_than_its_budget() {
    const BUDGET: u32 = 32 * 1024;
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = BUDGET));
    peer.established();
    // Each leaves a hole of one byte before it: none can be read, none joined.
    for number in 0..1000u32 {
        peer.sends(data(&[1]).seq(2 + number * 2));
    }
    let pinned = peer.pools.held() * Pools::SLOT;
    assert!(pinned <= (BUDGET + BUDGET / 4) as usize + 2 * Pools::SLOT, "{pinned} bytes are pinned");
    assert!(peer.stack.drops().of(Reason::TcpNoRoom) > 0);
}
