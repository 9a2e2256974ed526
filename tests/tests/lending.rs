//! What lending promises: a retransmission reads no payload, what a device or a neighbour does not take changes
//! nothing, static content is summed once, and a slow reader closes its own window only.

use lendwire::Reason;
use lendwire::tcp::{ReadError, State};
use lendwire::time::Span;
use lendwire_nic::{Content, Offloads, Work};
use lendwire_tests::pair::Pair;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{Came, ack, any_data, data, fin, syn};
use lendwire_tests::setup::{Pools, Setup};
use lendwire_tests::stream;

/// The first timeout of a connection whose handshake took no time: the floor.
const RTO: Span = Span::from_millis(200);

fn lent(len: usize) -> lendwire_nic::Chunk {
    Content::leaked(Vec::leak(stream::bytes(0, len))).chunk()
}

/// A chunk in pool memory of which no sum is known.
fn in_pool(pools: &Pools, bytes: &[u8]) -> lendwire_nic::Chunk {
    let mut slot = pools.receive.take().expect("a slot is free");
    slot.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    slot.freeze(bytes.len())
}

fn payload_of(came: &[Came]) -> Vec<u8> {
    came.iter().flat_map(|segment| segment.payload.clone()).collect()
}

mod retransmission {
    use super::*;

    /// Sends what is queued, loses all of it, and lets the timer send it again bit by bit. Returns the work that the
    /// second time took.
    fn work_of_a_timeout(peer: &mut Peer, sent: &[u8]) -> Work {
        let first = peer.takes_all();
        assert_eq!(payload_of(&first), sent);
        let before = peer.stack.work();
        let timeouts = peer.stack.tcp_statistics().timeouts;
        let mut again = Vec::new();
        let mut end = 1;
        while again.len() < sent.len() {
            // RFC 6298 §5.4, then slow start as acknowledgments come.
            if again.is_empty() {
                peer.waits(Span::from_millis(250));
            }
            for came in peer.takes_all() {
                assert_eq!(came.seq, end, "what is sent again stands in order");
                end += came.payload.len() as u32;
                again.extend(came.payload);
            }
            peer.sends(ack().ack(end));
        }
        assert_eq!(peer.stack.tcp_statistics().timeouts, timeouts + 1);
        assert_eq!(again, sent, "the second time is like the first");
        let after = peer.stack.work();
        Work { copied: after.copied - before.copied, summed: after.summed - before.summed, verified: 0 }
    }

    #[test]
    fn of_whole_written_pieces_after_a_timeout_reads_nothing() {
        let mut peer = Peer::new();
        let connection = peer.established();
        let sent = stream::bytes(0, 5 * 1460);
        assert_eq!(peer.stack.write(connection, &sent), Ok(sent.len()));
        assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
    }

    #[test]
    fn of_cut_pool_memory_after_a_timeout_reads_nothing() {
        let mut peer = Peer::new();
        let connection = peer.established();
        let sent = stream::bytes(0, 2000);
        let before = peer.stack.work().summed;
        peer.stack.push(connection, in_pool(&peer.pools, &sent)).unwrap();
        peer.turn();
        // 1460 bytes go at once; the rest waits for an acknowledgment (RFC 9293 §3.7.4).
        peer.stack.set_nodelay(connection, true);
        peer.turn();
        assert_eq!(peer.stack.work().summed - before, 2000, "each part was summed once");
        assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
    }

    #[test]
    fn of_joined_small_pieces_after_a_timeout_reads_nothing() {
        let mut peer = Peer::new();
        let connection = peer.established();
        let sent = stream::bytes(0, 4 * 1460);
        // Odd pieces of every kind: copied, lent from a pool, lent from static memory.
        for (number, piece) in sent.chunks(97).enumerate() {
            match number % 3 {
                0 => assert_eq!(peer.stack.write(connection, piece), Ok(piece.len())),
                1 => peer.stack.push(connection, in_pool(&peer.pools, piece)).unwrap(),
                _ => {
                    let at = number * 97;
                    peer.stack.push(connection, stream::content().chunk().slice(at..at + piece.len())).unwrap();
                }
            }
        }
        peer.stack.set_nodelay(connection, true);
        assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
    }

    #[test]
    fn of_a_fast_retransmit_reads_nothing() {
        // RFC 5681 §3.2.
        let mut peer = Peer::new();
        let connection = peer.established();
        let sent = stream::bytes(0, 6 * 1460);
        peer.stack.push(connection, in_pool(&peer.pools, &sent[..1460])).unwrap();
        peer.stack.push(connection, in_pool(&peer.pools, &sent[1460..3000])).unwrap();
        assert_eq!(peer.stack.write(connection, &sent[3000..]), Ok(sent.len() - 3000));
        assert_eq!(payload_of(&peer.takes_all()).len(), sent.len());
        let before = peer.stack.work();
        for _ in 0..3 {
            peer.sends(ack().ack(1));
        }
        let again = peer.expects(any_data(1460).seq(1));
        assert_eq!(again.payload, sent[..1460]);
        // A partial acknowledgment shows the next hole (RFC 6582 §3.2).
        peer.sends(ack().ack(1461));
        let again = peer.expects(any_data(1460).seq(1461));
        assert_eq!(again.payload, sent[1460..2920]);
        let after = peer.stack.work();
        assert_eq!((after.copied, after.summed), (before.copied, before.summed));
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 2);
        assert_eq!(peer.stack.tcp_statistics().timeouts, 0);
    }

    #[test]
    fn holds_its_slots_until_the_acknowledgment_and_gives_them_back_then() {
        let mut peer = Peer::new();
        let connection = peer.established();
        assert_eq!(peer.pools.held(), 0);
        peer.stack.push(connection, in_pool(&peer.pools, &[1; 500])).unwrap();
        peer.expects(any_data(500));
        peer.expects_after(RTO, any_data(500).seq(1));
        assert_eq!(peer.pools.held(), 1);
        peer.sends(ack());
        assert_eq!(peer.pools.held(), 0);
    }
}

#[test]
fn a_cut_of_data_whose_sum_is_known_reads_its_shorter_side_only() {
    // What came in 1460 bytes, verified, goes on in segments of 1000: the sum of 460 gives both.
    let mut peer = Peer::new();
    let source = peer.established();
    peer.uses_port(2);
    let sink = peer.opens(syn().mss(1000));
    peer.stack.set_nodelay(sink, true);
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(data(&stream::bytes(0, 1460)));
    let came = peer.stack.read_chunk(source).unwrap().expect("it came");
    let before = peer.stack.work();
    peer.stack.push(sink, came).unwrap();
    peer.uses_port(2);
    assert_eq!(payload_of(&peer.takes_all()), stream::bytes(0, 1460));
    let after = peer.stack.work();
    assert_eq!((after.copied - before.copied, after.summed - before.summed), (0, 460));
}

mod full_ring {
    use super::*;

    #[test]
    fn changes_nothing_and_the_same_segment_comes_out_later() {
        let mut peer = Peer::new();
        let connection = peer.established();
        let sent = stream::bytes(0, 4000);
        assert_eq!(peer.stack.write(connection, &sent), Ok(4000));
        peer.hand.set_room(Some(1));
        let first = peer.expects(any_data(1460).seq(1));
        let told = |peer: &Peer| {
            let stack = &peer.stack;
            (stack.tcp_statistics(), stack.work(), stack.unacknowledged(connection), stack.state(connection))
        };
        let before = told(&peer);
        for _ in 0..10 {
            peer.turn();
        }
        assert!(peer.hand.refused() >= 10, "the ring was tried");
        assert_eq!(told(&peer), before, "and nothing came of it");
        assert!(peer.stack.has_output(), "the stack wants to be polled again");
        peer.hand.set_room(None);
        let rest = peer.takes_all();
        assert_eq!(rest[0].seq, 1461);
        assert_eq!([first.payload, payload_of(&rest[..])].concat(), sent[..1460 + payload_of(&rest).len()]);
        peer.sends(ack());
        let tail = payload_of(&peer.takes_all());
        assert_eq!(1460 + payload_of(&rest).len() + tail.len(), 4000);
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
    }

    #[test]
    fn keeps_back_acknowledgments_fins_and_answers_to_syns_without_losing_any() {
        let mut peer = Peer::new();
        let listener = peer.listen();
        peer.hand.set_room(Some(0));
        peer.sends(syn().mss(1460));
        peer.expects_nothing_for(Span::from_millis(10));
        peer.hand.set_room(None);
        peer.expects(lendwire_tests::segment::syn_ack().seq(0).ack(1));
        peer.sends(ack());
        let connection = peer.stack.accept(listener).expect("the handshake is complete");
        peer.hand.set_room(Some(0));
        peer.sends(data(b"question"));
        assert_eq!(peer.reads(connection), b"question");
        peer.stack.shutdown(connection, peer.now()).unwrap();
        peer.expects_nothing_for(Span::from_millis(100));
        assert_eq!(peer.stack.state(connection), State::FinWait1);
        peer.hand.set_room(None);
        peer.expects(fin().seq(1).ack(9));
        peer.expects_nothing();
    }

    #[test]
    fn holds_back_a_retransmission_that_then_comes_out_once() {
        let mut peer = Peer::new();
        let connection = peer.established();
        assert_eq!(peer.stack.write(connection, b"once"), Ok(4));
        peer.expects(data(b"once").seq(1));
        peer.hand.set_room(Some(0));
        peer.expects_nothing_for(Span::from_millis(300));
        let before = peer.stack.tcp_statistics().retransmissions;
        assert_eq!(before, 0, "what the ring did not take was not sent");
        peer.hand.set_room(None);
        peer.expects(data(b"once").seq(1));
        peer.expects_nothing();
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 1);
    }

    #[test]
    fn of_any_size_loses_and_doubles_nothing() {
        for ring in [1, 2, 3, 7] {
            let mut setup = Setup::new();
            setup.ring = ring;
            let mut pair = Pair::loopback(&setup);
            let (here, there) = pair.connected();
            let (mut gone, mut came) = (0usize, stream::Check::default());
            let whole = stream::content().bytes();
            pair.run_until("60 KB have come through a small ring", |pair| {
                gone += pair.here.stack.write(here, &whole[gone..60_000]).unwrap();
                while let Ok(Some(chunk)) = pair.there.stack.read_chunk(there) {
                    came.accept(&chunk);
                }
                came.place() == 60_000
            });
            assert_eq!(pair.here.stack.tcp_statistics().retransmissions, 0, "ring of {ring}");
        }
    }
}

mod unresolved_neighbour {
    use super::*;

    #[test]
    fn changes_nothing_until_it_answers() {
        let mut peer = Peer::new();
        peer.answers_neighbours(false);
        let connection = peer.connects();
        peer.expects_nothing_for(Span::from_millis(1500));
        assert_eq!(peer.stack.state(connection), State::SynSent);
        assert_eq!(peer.stack.tcp_statistics().segments_sent, 0);
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
        peer.answers_neighbours(true);
        peer.expects(syn().seq(0));
        peer.expects_nothing();
    }

    #[test]
    fn that_never_answers_ends_the_attempt_with_a_reason() {
        let mut peer = Peer::new();
        peer.answers_neighbours(false);
        let connection = peer.connects();
        peer.waits(Span::from_secs(10));
        assert_eq!(peer.stack.state(connection), State::Closed);
        assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(lendwire::tcp::Ended::Unreachable)));
        assert!(peer.stack.drops().of(Reason::NeighbourSilent) >= 1);
    }

    #[test]
    fn blocks_no_other_connection() {
        let mut peer = Peer::new();
        let good = peer.established();
        // A host on the link that does not exist.
        let absent = match peer.address() {
            std::net::IpAddr::V4(_) => std::net::IpAddr::from([192, 0, 2, 99]),
            std::net::IpAddr::V6(address) => address.into(),
        };
        let attempts: Vec<_> = (0..3)
            .map(|_| peer.stack.connect(std::net::SocketAddr::new(absent, 80), None, peer.now()).unwrap())
            .collect();
        peer.turn();
        assert!(!peer.stack.has_output(), "who waits for a neighbour does not keep the stack busy");
        assert_eq!(peer.stack.write(good, b"not blocked"), Ok(11));
        peer.expects(data(b"not blocked"));
        peer.sends(data(b"answer"));
        assert_eq!(peer.reads(good), b"answer");
        for attempt in attempts {
            assert_eq!(peer.stack.state(attempt), State::SynSent);
        }
    }
}

mod static_content {
    use super::*;

    fn serve(pair: &mut Pair, content: &'static Content) -> Work {
        let (here, there) = pair.connected();
        let before = pair.there.stack.work();
        pair.there.stack.push(there, content.chunk()).unwrap();
        pair.there.stack.close(there, pair.now());
        let mut came = stream::Check::default();
        pair.run_until("the page has come", |pair| {
            loop {
                match pair.here.stack.read_chunk(here) {
                    Ok(Some(chunk)) => came.accept(&chunk),
                    Ok(None) => return true,
                    Err(ReadError::Empty) => return false,
                    Err(error) => pair.fail("the page", &error.to_string()),
                }
            }
        });
        pair.here.stack.close(here, pair.now());
        assert_eq!(came.place(), content.bytes().len() as u64);
        let after = pair.there.stack.work();
        Work { copied: after.copied - before.copied, summed: after.summed - before.summed, verified: 0 }
    }

    #[test]
    fn served_a_second_time_sums_nothing_and_copies_nothing() {
        let content = Content::leaked(Vec::leak(stream::bytes(0, 1 << 20)));
        let mut pair = Pair::loopback(&Setup::new());
        let first = serve(&mut pair, content);
        assert_eq!(first.copied, 0);
        assert!(first.summed > 0, "the first time the cuts inside the blocks are summed");
        for _ in 0..3 {
            assert_eq!(serve(&mut pair, content), Work::default());
        }
    }

    #[test]
    fn with_checksum_offload_is_never_read() {
        let content = Content::leaked(Vec::leak(stream::bytes(0, 1 << 20)));
        let mut pair = Pair::loopback(&Setup::new().offloads(Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM));
        for _ in 0..2 {
            assert_eq!(serve(&mut pair, content), Work::default());
        }
    }

    #[test]
    fn longer_than_the_send_budget_is_taken_whole_and_leaves_no_slot_held() {
        let mut pair = Pair::loopback(&Setup::new().tcp(|tcp| tcp.send_budget = 10_000));
        let content = Content::leaked(Vec::leak(stream::bytes(0, 100_000)));
        serve(&mut pair, content);
        assert_eq!(pair.held(), 0);
    }
}

mod slow_reader {
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

    /// A window is a promise in bytes: segments that fill their slots badly must not break it.
    #[test]
    fn takes_all_of_a_window_that_comes_in_short_segments() {
        const BUDGET: u32 = 64 * 1024;
        for len in [257, 300, 700, 1024, 1025, 1279] {
            let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = BUDGET));
            let connection = peer.established();
            let (mut next, mut edge) = (1, 1 + BUDGET / 2 + BUDGET / 8);
            while next + len <= edge {
                peer.sends(data(&vec![1; len as usize]).seq(next));
                next += len;
                if let Some(last) = peer.takes_all().pop() {
                    edge = last.ack + u32::from(last.window);
                }
            }
            assert_eq!(peer.stack.drops().of(Reason::TcpNoRoom), 0, "segments of {len} bytes");
            assert_eq!(peer.stack.unread(connection) as u32, next - 1, "segments of {len} bytes");
            let pinned = peer.pools.held() * Pools::SLOT;
            assert!(pinned <= 2 * BUDGET as usize + Pools::SLOT, "{pinned} bytes are pinned by segments of {len}");
            peer.stack.abort(connection);
        }
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
}

#[test]
fn lent_memory_outlives_its_connection_only_while_somebody_reads_it() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.push(connection, lent(100)).unwrap();
    peer.stack.push(connection, in_pool(&peer.pools, &[3; 1000])).unwrap();
    peer.sends(data(b"kept by the application"));
    let kept = peer.stack.read_chunk(connection).unwrap().expect("it came");
    peer.stack.abort(connection);
    peer.turn();
    assert_eq!(&kept[..], b"kept by the application");
    assert_eq!(peer.pools.held(), 1, "the application's chunk only");
    drop(kept);
    assert_eq!(peer.pools.held(), 0);
}
