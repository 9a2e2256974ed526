//! The impaired wire: the same seed gives the same fates, and each knob does its own damage only.
use lendwire_drivers::impaired::{Chance, End, Fates, Impaired, Impairments, Options};
use lendwire_nic::{Chunk, Fault, Full, Nic, Payload, Pool, RxPacket, TxPacket};

fn pool() -> &'static Pool {
    Pool::leaked(64, 2048).unwrap()
}

fn bytes(packet: &RxPacket) -> Vec<u8> {
    packet.chunks().iter().flat_map(|chunk| chunk.iter().copied()).collect()
}

fn send(end: &mut End, number: u32) -> Result<(), Full> {
    let payload = [Chunk::from_static(&[0x5a; 100])];
    let mut packet = TxPacket::new(Payload::of(&payload));
    packet.push(14)[..4].copy_from_slice(&number.to_be_bytes());
    end.transmit(&packet)
}

/// Sends 500 frames, one every 10 µs; returns when each arrived, and the fates.
fn run(seed: u64, impairments: Impairments) -> (Vec<(u64, u32, bool)>, Fates, u64) {
    let wire = Impaired::new(seed, impairments);
    let (mut here, mut there) = wire.ends(&Options::default(), pool());
    let mut arrived = Vec::new();
    let mut collect = |now: u64, there: &mut End| {
        while let Some(packet) = there.receive() {
            let frame = bytes(&packet);
            let number = u32::from_be_bytes(frame[..4].try_into().unwrap());
            arrived.push((now, number, frame[14..].iter().all(|&byte| byte == 0x5a)));
        }
    };
    for number in 0..500 {
        let now = u64::from(number) * 10;
        while let Some(next) = wire.next_arrival().filter(|&next| next < now) {
            wire.advance(next);
            collect(next, &mut there);
        }
        wire.advance(now);
        send(&mut here, number).unwrap();
        here.flush();
        collect(now, &mut there);
    }
    while let Some(next) = wire.next_arrival() {
        wire.advance(next);
        collect(next, &mut there);
    }
    let bad = there.statistics().faults[Fault::BadFrameCheck as usize];
    (arrived, wire.fates()[0], bad)
}

fn everything() -> Impairments {
    Impairments {
        loss: Chance::percent(10),
        duplication: Chance::percent(5),
        reordering: Chance::percent(5),
        held_back: 200,
        damage: Chance::percent(5),
        delay: 1000,
        jitter: 50,
        rate: Some(10_000_000),
        ..Impairments::default()
    }
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(run(1, everything()), run(1, everything()));
    assert_ne!(run(1, everything()).0, run(2, everything()).0);
}

#[test]
fn an_ideal_wire_changes_nothing() {
    let (arrived, fates, bad) = run(3, Impairments::default());
    let expected: Vec<_> = (0..500).map(|number| (u64::from(number) * 10, number, true)).collect();
    assert_eq!((arrived, bad), (expected, 0));
    assert_eq!(fates, Fates { carried: 500, ..Fates::default() });
}

#[test]
fn every_frame_is_accounted_for() {
    let (arrived, fates, bad) = run(4, everything());
    assert_eq!(arrived.len() as u64 + bad, fates.carried - fates.lost + fates.duplicated);
    assert!((20..90).contains(&fates.lost) && (5..60).contains(&fates.duplicated), "{fates:?}");
    assert!((5..60).contains(&fates.reordered) && (5..60).contains(&fates.damaged), "{fates:?}");
    assert!(bad >= fates.damaged / 2);
    assert!(arrived.iter().all(|frame| frame.2), "a damaged frame never passes its check");
}

#[test]
fn jitter_keeps_order_and_reordering_does_not() {
    let jitter = Impairments { delay: 100, jitter: 500, ..Impairments::default() };
    assert!(run(5, jitter).0.is_sorted_by_key(|frame| frame.1));
    let reordering = Impairments { reordering: Chance::percent(10), held_back: 35, ..Impairments::default() };
    let arrived = run(5, reordering).0;
    assert!(!arrived.is_sorted_by_key(|frame| frame.1));
    assert_eq!(arrived.len(), 500);
}

#[test]
fn undetected_damage_is_one_bit_a_frame_and_arrives() {
    let damage = Impairments { damage: Chance::ALWAYS, undetected: true, ..Impairments::default() };
    let wire = Impaired::new(6, damage);
    let (mut here, mut there) = wire.ends(&Options::default(), pool());
    for number in 0..200 {
        send(&mut here, number).unwrap();
        here.flush();
        let frame = bytes(&there.receive().unwrap());
        let mut sent = vec![0x5a; 114];
        sent[..14].fill(0);
        sent[..4].copy_from_slice(&number.to_be_bytes());
        let flipped: u32 = frame.iter().zip(&sent).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!(flipped, 1);
    }
}

#[test]
fn a_rate_spaces_frames_and_a_short_backlog_loses_some() {
    // 118 bytes with the check sequence, at 1 MB/s: 118 µs each, sent every 10 µs.
    let limited = Impairments { rate: Some(1_000_000), ..Impairments::default() };
    let arrived = run(7, limited).0;
    assert!(arrived.windows(2).all(|pair| pair[1].0 - pair[0].0 == 118));
    let (arrived, fates, _) = run(7, Impairments { backlog: 10, ..limited });
    assert!(fates.lost > 300 && arrived.len() as u64 == 500 - fates.lost);
}

#[test]
fn an_end_is_full_until_it_is_flushed() {
    let wire = Impaired::new(8, Impairments::default());
    let (mut here, mut there) = wire.ends(&Options { capacity: 2, ..Options::default() }, pool());
    send(&mut here, 0).unwrap();
    send(&mut here, 1).unwrap();
    assert_eq!(send(&mut here, 2), Err(Full));
    assert!(there.receive().is_none());
    here.flush();
    send(&mut here, 2).unwrap();
    assert_eq!(there.receive().unwrap().front()[..4], [0, 0, 0, 0]);
}

#[test]
fn frames_wait_while_the_pool_is_empty_and_are_dropped_when_too_many_wait() {
    let wire = Impaired::new(9, Impairments::default());
    let pool = Pool::leaked(1, 2048).unwrap();
    let (mut here, mut there) = wire.ends(&Options { waiting: 2, ..Options::default() }, pool);
    for number in 0..3 {
        send(&mut here, number).unwrap();
    }
    here.flush();
    let first = there.receive().unwrap();
    assert!(there.receive().is_none());
    drop(first);
    assert!(there.receive().is_some());
    assert!(there.receive().is_none());
    assert_eq!(there.statistics().faults[Fault::NoSlot as usize], 1);
}

#[test]
fn a_long_frame_takes_several_slots() {
    let wire = Impaired::new(10, Impairments::default());
    let pool = Pool::leaked(8, 256).unwrap();
    let (mut here, mut there) = wire.ends(&Options::default(), pool);
    let payload = [Chunk::from_static(&[1; 1000])];
    let mut packet = TxPacket::new(Payload::of(&payload));
    packet.push(14);
    here.transmit(&packet).unwrap();
    here.flush();
    let received = there.receive().unwrap();
    assert_eq!((received.len(), received.chunks().len()), (1014, 4));
}
