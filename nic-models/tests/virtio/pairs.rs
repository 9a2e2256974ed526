//! Several pairs of queues: which one a packet leaves by, and that all are received from.
use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::{ControlManner, Offer, VirtioNetModel, feature};
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::virtio::{PairSlot, ProbeError, VirtioNet};
use lendwire_nic::{Fault, Interrupts, Nic, Pending};

use crate::{Bench, Driver, bytes, kinds, packet, rounds, small, with};

const SEVERAL: u64 = feature::CTRL_VQ | feature::MQ;
const HASHED: u64 = SEVERAL | feature::RSS | feature::HASH_REPORT;
const KEY: [u8; 40] = [0x5a; 40];

fn storage(pairs: usize) -> Box<[PairSlot]> {
    (0..pairs).map(|_| PairSlot::EMPTY).collect()
}

fn offer(pairs: u16, features: u64) -> Offer {
    with(Offer { pairs, ..small() }, features)
}

/// A driver of `pairs` pairs, on a device that has four.
#[track_caller]
fn wide(features: u64, pairs: u16) -> Bench {
    let mut bench = Bench::with_slots(offer(4, features), 64, 2048);
    assert_eq!(bench.driver.widen(storage(usize::from(pairs) - 1), KEY), Ok(pairs));
    assert_eq!(bench.driver.info().queues, pairs);
    bench
}

fn receive_queue(pair: u16) -> usize {
    2 * usize::from(pair)
}

fn transmit_queue(pair: u16) -> usize {
    2 * usize::from(pair) + 1
}

fn deliver(device: &VirtioNetModel, pair: u16, hash: [u8; 8], byte: u8) -> bool {
    device.deliver_on(receive_queue(pair), [0; 12], hash, &[byte; 60])
}

#[test]
fn a_device_uses_as_many_pairs_as_both_have() {
    for (there, room, used) in [(4, 4, 4), (4, 2, 2), (2, 4, 2), (1, 4, 1)] {
        for features in [SEVERAL, HASHED].into_iter().take(rounds(2, 1)) {
            let mut bench = Bench::with_slots(offer(there, features), 64, 2048);
            assert_eq!((bench.driver.info().queues, bench.driver.pairs()), (1, there));
            assert_eq!(bench.driver.widen(storage(room - 1), KEY), Ok(used));
            assert_eq!(bench.device.orders().pairs, Some(used));
            bench.assert_passes();
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn further_pairs_may_be_static() {
    let mut bench = Bench::with_slots(offer(2, SEVERAL), 64, 2048);
    let slots: &'static mut [PairSlot] = Box::leak(storage(1));
    assert_eq!(bench.driver.widen(slots, KEY), Ok(2));
    bench.assert_passes();
    bench.assert_returns_everything();
}

#[test]
fn a_device_of_one_pair_says_so() {
    assert_eq!(Bench::new(small()).driver.pairs(), 1);
    // Without a control queue the others cannot be used.
    assert_eq!(Bench::new(offer(4, feature::MQ)).driver.pairs(), 1);
}

#[test]
fn every_kind_of_device_has_several() {
    for kind in kinds() {
        let mut kind = kind.with(HASHED);
        kind.offer.pairs = 3;
        let mut bench = Bench::set_up(kind, 64, 2048);
        assert_eq!(bench.driver.widen(storage(2), KEY), Ok(3));
        for pair in 0..3 {
            assert!(deliver(&bench.device, pair, [0; 8], pair as u8));
            assert_eq!(bytes(&bench.driver.receive().unwrap()), [pair as u8; 60]);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn a_flow_leaves_by_one_pair() {
    let mut bench = wide(SEVERAL, 4);
    for flow in 0..8 {
        let mut packet = packet(&[]);
        packet.flow = flow;
        bench.driver.transmit(&packet).unwrap();
    }
    bench.driver.flush();
    for pair in 0..4 {
        assert_eq!(bench.device.send_all_on(transmit_queue(pair)).len(), 2);
    }
}

#[test]
fn frames_are_taken_from_every_pair_in_turn() {
    let mut bench = wide(SEVERAL, 2);
    // One pair never runs dry; the other one has a frame now and then.
    for _ in 0..rounds(200, 4) {
        assert!(deliver(&bench.device, 1, [0; 8], 1));
        let mut others = 0;
        while {
            assert!(deliver(&bench.device, 0, [0; 8], 0));
            let frame = bench.driver.receive().expect("there are frames");
            bench.driver.flush();
            frame.front()[0] == 0
        } {
            others += 1;
            assert!(others <= 16, "the other pair is kept waiting");
        }
        // What is left over from this round.
        while bench.driver.receive().is_some() {}
        bench.driver.flush();
    }
}

#[test]
fn a_device_that_ran_short_on_one_queue_is_told_to_look_at_all() {
    let mut bench = wide(SEVERAL, 4);
    let rung = |bench: &Bench| [0, 1, 2, 3].map(|pair| bench.device.notifications(receive_queue(pair)));
    let before = rung(&bench);
    while deliver(&bench.device, 2, [0; 8], 1) {}
    while bench.driver.receive().is_some() {}
    bench.driver.flush();
    let (after, kicks) = (rung(&bench), bench.driver.statistics().kicks);
    assert!(before.iter().zip(after).all(|(before, after)| after > *before), "{before:?} {after:?}");
    bench.driver.flush();
    assert_eq!((rung(&bench), bench.driver.statistics().kicks), (after, kicks), "without news there is no doorbell");
}

#[test]
fn no_pair_takes_the_slots_of_another() {
    // Pool, ring, pairs of four that are used, slots that each of them has.
    let cases = [(64, 16, 4, 16), (32, 64, 1, 32), (256, 256, 4, 64), (200, 64, 3, 64)];
    for (slots, queue_size, used, each) in cases.into_iter().take(rounds(4, 2)) {
        let offer = Offer { queue_size, ..offer(4, SEVERAL) };
        let mut bench = Bench::with_slots(offer, slots, 256);
        assert_eq!(bench.driver.widen(storage(3), KEY), Ok(used));
        let mut held = Vec::new();
        for _ in 0..each {
            assert!(deliver(&bench.device, 0, [0; 8], 0));
            held.push(bench.driver.receive().unwrap());
            bench.driver.flush();
        }
        for pair in 1..used {
            assert_eq!(bench.device.available(receive_queue(pair)), each, "{slots} slots, rings of {queue_size}");
        }
    }
}

#[test]
fn the_hash_of_a_frame_is_handed_up() {
    let mut bench = wide(HASHED, 2);
    assert!(deliver(&bench.device, 1, [0x78, 0x56, 0x34, 0x12, 2, 0, 0, 0], 7));
    let received = bench.driver.receive().unwrap();
    assert_eq!((received.hash, bytes(&received)), (Some(0x1234_5678), vec![7; 60]));
    // No hash was taken.
    assert!(deliver(&bench.device, 1, [0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0], 7));
    assert_eq!(bench.driver.receive().unwrap().hash, None);
    // The header of what is sent has the same length.
    let payload = [bench.chunk(1, 10)];
    bench.driver.transmit(&packet(&payload)).unwrap();
    bench.driver.flush();
    assert_eq!(bench.device.take_sent().unwrap().frame, [&[0x14; 14][..], &[0x20; 20], &[1; 10]].concat());
}

#[test]
fn a_header_shorter_than_the_hash_is_dropped() {
    let mut bench = wide(HASHED, 1);
    let chain = bench.device.take(0).unwrap();
    let mut header = [0; 64];
    header[10] = 1;
    bench.device.fill(&chain, &header);
    bench.device.complete(0, u32::from(chain.head), 20);
    bench.device.publish(0);
    assert!(bench.driver.receive().is_none());
    assert_eq!(bench.fault(Fault::BadLength), 1);
}

#[test]
fn frames_are_spread_by_a_hash_with_the_caller_s_key() {
    let bench = wide(HASHED, 3);
    let spread = bench.device.orders().spread.unwrap();
    assert_eq!((spread.hash_types, spread.unclassified, spread.key), (0x3f, 0, KEY.to_vec()));
    assert_eq!(spread.table.len(), 128);
    assert_eq!(spread.table[..6], [0, 1, 2, 0, 1, 2]);
    // A device that reports the hash without choosing by it.
    let bench = wide(SEVERAL | feature::HASH_REPORT, 3);
    let spread = bench.device.orders().spread.unwrap();
    assert_eq!((spread.hash_types, spread.table.len(), spread.key), (0x3f, 0, KEY.to_vec()));
    assert_eq!(bench.device.orders().pairs, Some(3));
}

#[test]
fn a_device_that_cannot_be_told_of_several_uses_one() {
    for manner in [ControlManner::Refuses, ControlManner::Silent, ControlManner::Misnumbers] {
        let mut bench = Bench::with_slots(Offer { control: manner, ..offer(4, SEVERAL) }, 64, 2048);
        assert_eq!(bench.driver.widen(storage(3), KEY), Ok(1));
        let mut odd = packet(&[]);
        odd.flow = 3;
        bench.driver.transmit(&odd).unwrap();
        bench.assert_passes_after(1);
        bench.assert_returns_everything();
    }
}

#[test]
fn numbers_of_pairs_out_of_range_are_one() {
    for pairs in [0, 0x8000, 0xffff] {
        let mut bench = Bench::with_slots(offer(4, SEVERAL), 64, 2048);
        bench.device.change(|offer| offer.claimed_pairs = Some(pairs));
        assert_eq!(bench.driver.widen(storage(3), KEY), Ok(1));
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn a_hash_that_is_none_is_done_without() {
    for (key, table) in [(39, 128), (0, 0), (40, 0), (40, 3)] {
        let mut bench = Bench::with_slots(Offer { rss_key: key, rss_table: table, ..offer(2, HASHED) }, 64, 2048);
        bench.driver.widen(storage(1), KEY).unwrap();
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn all_pairs_start_anew_together() {
    for features in [SEVERAL, HASHED, HASHED | feature::RING_RESET] {
        let mut bench = wide(features, 4);
        for flow in 0..4 {
            let payload = [bench.chunk(1, 10)];
            let mut packet = packet(&payload);
            packet.flow = flow;
            bench.driver.transmit(&packet).unwrap();
        }
        bench.driver.flush();
        let before = bench.device.orders();
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
        assert_eq!((bench.transmit_pool.available(), bench.driver.info().queues), (64, 4));
        assert_eq!(bench.device.orders(), before);
        assert!(deliver(&bench.device, 3, [0; 8], 3));
        assert_eq!(bytes(&bench.driver.receive().unwrap()), [3; 60]);
        bench.assert_returns_everything();
    }
}

#[test]
fn a_pair_that_lies_is_found_wherever_it_is() {
    for pair in (0..4).step_by(rounds(1, 3)) {
        for queue in [receive_queue(pair), transmit_queue(pair)] {
            let mut bench = wide(SEVERAL | feature::RING_RESET, 4);
            bench.device.complete(queue, 0xffff, 64);
            bench.device.publish(queue);
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
            assert_eq!((bench.fault(Fault::BadIndex), bench.driver.statistics().recoveries), (1, 1));
            assert!(deliver(&bench.device, pair, [0; 8], 3));
            assert_eq!(bytes(&bench.driver.receive().unwrap()), [3; 60]);
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn messages_after_the_third_are_for_the_other_pairs() {
    let messages: Vec<Message> = (0..7).map(|data| Message { address: 0xfee0_0000, data }).collect();
    for (vectors, told) in [(7, [0, 3, 5]), (4, [0, 3, 0]), (3, [0, 0, 0])] {
        let offer = Offer { vectors: 7, ..offer(3, SEVERAL) };
        let Bench { device, driver, pool, memory, .. } = Bench::with_slots(offer, 64, 2048);
        drop(driver);
        let windows = device.clone();
        let map = move |region| windows.registers(region);
        let wiring = Wiring::Messages(&messages[..vectors]);
        let mut driver: Driver = VirtioNet::probe_with(&device.config_space(), memory, map, pool, wiring).unwrap();
        driver.widen(storage(2), KEY).unwrap();
        for pair in 0..3 {
            assert_eq!(driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
            let _ = device.interrupts();
            assert!(deliver(&device, pair, [0; 8], 3));
            assert_eq!(device.interrupts(), [messages[told[usize::from(pair)]]], "pair {pair} of {vectors} vectors");
            driver.receive().unwrap();
        }
    }
}

#[test]
fn a_device_that_does_not_stop_is_not_widened() {
    let mut bench = Bench::with_slots(offer(4, SEVERAL), 64, 2048);
    bench.device.unplug();
    assert_eq!(bench.driver.widen(storage(3), KEY), Err(ProbeError::NoReset));
    assert!(bench.driver.receive().is_none());
    bench.driver.flush();
}
