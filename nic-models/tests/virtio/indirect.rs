//! Long chains in tables beside the ring (virtio 1.2 §2.7.5.3, §2.8.8).
use lendwire_drivers::driver::{Driver as _, Unstoppable};
use lendwire_drivers::model::{Offer, TRANSMIT, feature};
use lendwire_nic::{Chunk, Fault, Full, Nic};

use crate::{Bench, packet, rings, rounds};

/// Each kind of ring.
fn offers() -> impl Iterator<Item = Offer> {
    let offer = |offer: Offer| Offer { queue_size: 64, features: offer.features | feature::INDIRECT_DESC, ..offer };
    rings().into_iter().map(offer)
}

/// As many parts as make a chain of `count` with the header.
fn parts(bench: &Bench, count: usize) -> Vec<Chunk> {
    let chunk = bench.chunk(3, 20);
    vec![chunk; count - 1]
}

#[test]
fn long_chains_take_one_descriptor_while_there_are_tables() {
    for offer in offers() {
        // Of 64 descriptors 8 lead to tables, and 56 hold a chain of 33; without tables they hold one.
        let without = Offer { features: offer.features & !feature::INDIRECT_DESC, ..offer.clone() };
        for (offer, expected) in [(offer, 9), (without, 1)] {
            let mut bench = Bench::new(offer);
            for _ in 0..rounds(50, 1) {
                let payload = parts(&bench, 33);
                let mut sent = 0;
                while bench.driver.transmit(&packet(&payload)).is_ok() {
                    sent += 1;
                }
                assert_eq!(sent, expected);
                drop(payload);
                bench.driver.flush();
                assert_eq!(bench.transmit_pool.available(), 63);
                for packet in bench.device.send_all() {
                    assert_eq!((packet.parts.len(), packet.frame.len()), (33, 34 + 32 * 20));
                    assert_eq!(packet.frame[34..], [3; 640]);
                }
                bench.driver.flush();
                assert_eq!(bench.transmit_pool.available(), 64);
            }
            assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
        }
    }
}

#[test]
fn short_chains_stay_in_the_ring() {
    for offer in offers() {
        let mut bench = Bench::new(offer);
        let payload = parts(&bench, 7);
        // 9 chains of 7 descriptors are 63 of 64.
        for _ in 0..9 {
            bench.driver.transmit(&packet(&payload)).unwrap();
        }
        assert_eq!(bench.driver.transmit(&packet(&payload)), Err(Full));
        bench.driver.transmit(&packet(&[])).unwrap();
        // Not even a table helps a ring without a descriptor.
        assert_eq!(bench.driver.transmit(&packet(&parts(&bench, 33))), Err(Full));
    }
}

#[test]
fn long_chains_find_room_in_a_ring_that_is_nearly_full() {
    for offer in offers().take(rounds(4, 1)) {
        let mut bench = Bench::new(offer);
        for _ in 0..58 {
            bench.driver.transmit(&packet(&[])).unwrap();
        }
        let payload = parts(&bench, 33);
        for _ in 0..6 {
            bench.driver.transmit(&packet(&payload)).unwrap();
        }
        assert_eq!(bench.driver.transmit(&packet(&payload)), Err(Full));
        bench.driver.flush();
        assert_eq!(bench.device.send_all().len(), 64);
    }
}

#[test]
fn tables_come_back_in_any_order() {
    for offer in offers() {
        let mut bench = Bench::new(offer);
        for round in 1..=rounds(500, 1) {
            let payload = parts(&bench, 20 + round % 5);
            for _ in 0..5 {
                bench.driver.transmit(&packet(&payload)).unwrap();
            }
            drop(payload);
            bench.driver.flush();
            assert_eq!(bench.give_back_turned(round), 5);
            assert_eq!(bench.transmit_pool.available(), 64);
        }
    }
}

#[test]
fn a_part_out_of_reach_leaves_the_table_free() {
    for offer in offers() {
        let mut bench = Bench::new(offer);
        let mut payload = parts(&bench, 20);
        payload.push(Chunk::from_static(b"elsewhere"));
        let count = rounds(20, 10);
        for _ in 0..count {
            bench.driver.transmit(&packet(&payload)).unwrap();
        }
        bench.driver.flush();
        assert_eq!((bench.fault(Fault::Unsendable), bench.device.available(TRANSMIT)), (count as u64, 0));
        payload.clear();
        assert_eq!(bench.transmit_pool.available(), 64);
        bench.driver.transmit(&packet(&parts(&bench, 33))).unwrap();
        bench.driver.flush();
        assert_eq!(bench.device.send_all()[0].parts.len(), 33);
    }
}

#[test]
fn a_rewritten_table_is_not_believed() {
    for offer in offers() {
        for byte in [0xff, 0].into_iter().take(rounds(2, 1)) {
            let mut bench = Bench::new(offer.clone());
            bench.driver.transmit(&packet(&parts(&bench, 33))).unwrap();
            bench.driver.flush();
            let chain = bench.device.take(TRANSMIT).unwrap();
            bench.device.scribble_tables(TRANSMIT, &chain, byte);
            bench.device.complete(TRANSMIT, u32::from(chain.head), 0);
            bench.device.publish(TRANSMIT);
            bench.driver.flush();
            assert_eq!(bench.transmit_pool.available(), 64);
            // The table is written anew.
            bench.driver.transmit(&packet(&parts(&bench, 33))).unwrap();
            bench.driver.flush();
            assert_eq!(bench.device.send_all()[0].parts.len(), 33);
            assert_eq!(bench.fault(Fault::Broken), 0);
        }
    }
}

#[test]
fn what_is_in_tables_comes_back_when_the_device_stops_and_only_then() {
    for offer in offers() {
        let mut bench = Bench::new(offer.clone());
        bench.driver.transmit(&packet(&parts(&bench, 33))).unwrap();
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 63);
        bench.driver.quiesce().unwrap();
        assert_eq!((bench.transmit_pool.available(), bench.memory.taken()), (64, 0));

        let mut bench = Bench::new(offer);
        bench.driver.transmit(&packet(&parts(&bench, 33))).unwrap();
        bench.driver.flush();
        bench.device.unplug();
        assert_eq!(bench.driver.quiesce(), Err(Unstoppable));
        drop(bench.driver);
        assert_eq!((bench.transmit_pool.available(), bench.memory.taken()), (63, 1));
    }
}
