//! A device whose rings, registers and interrupts lie: each lie is counted, none is believed, none costs a slot, and the
//! device is started anew or done without.
use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::{RECEIVE, TRANSMIT, feature};
use lendwire_nic::{Fault, Interrupts, Nic, Pending};
use proptest::prelude::*;

use crate::{Bench, Kind, Reached, every_ring, kinds, packet, rings, rounds, small, with};

/// A driver with one packet of two parts in flight, on every kind of device.
fn in_flight() -> impl Iterator<Item = Bench> {
    kinds().into_iter().map(|kind| {
        let mut bench = Bench::of(kind);
        bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
        bench.driver.flush();
        bench
    })
}

/// Those with split rings.
fn split() -> impl Iterator<Item = Kind> {
    kinds().into_iter().filter(|kind| kind.offer.features & feature::RING_PACKED == 0)
}

#[test]
fn a_used_index_beyond_what_is_outstanding_restarts_the_device() {
    for kind in split() {
        for queue in [RECEIVE, TRANSMIT] {
            for ahead in [9, 0x8000, 0xffff].into_iter().take(rounds(3, 2)) {
                let mut bench = Bench::of(kind.clone());
                bench.driver.transmit(&packet(&[])).unwrap();
                bench.driver.flush();
                bench.device.publish_ahead(queue, ahead);
                bench.assert_restarted(Fault::BadIndex);
            }
        }
    }
}

#[test]
fn a_used_index_that_goes_back_restarts_the_device() {
    for kind in split() {
        for back in 1..=3u16 {
            let mut bench = Bench::of(kind.clone());
            for frame in 1..=3 {
                bench.device.deliver(&[frame; 60]);
            }
            // The driver has seen that three are done, and taken one.
            bench.driver.receive().unwrap();
            bench.device.publish_ahead(RECEIVE, 0u16.wrapping_sub(back));
            assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Work, "it is masked again");
            bench.assert_restarted(Fault::BadIndex);
        }
    }
}

#[test]
fn descriptors_marked_used_that_are_not_are_not_believed() {
    // A packed ring has no used index: a device says what is done in the descriptors.
    for mut bench in in_flight() {
        if bench.device.accepted_features() & feature::RING_PACKED == 0 {
            continue;
        }
        bench.device.publish_ahead(TRANSMIT, 3);
        bench.driver.flush();
        // The first belongs to the packet, which is done then; the next one to nobody.
        assert_eq!(bench.transmit_pool.available(), 64);
        bench.driver.flush();
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn an_id_out_of_range_restarts_the_device() {
    for id in [8, u32::MAX, 0x7fff, 0xffff, 0x1_0000].into_iter().take(rounds(5, 2)) {
        for queue in [RECEIVE, TRANSMIT] {
            for bench in in_flight() {
                let is_packed = bench.device.accepted_features() & feature::RING_PACKED != 0;
                if is_packed && id == 0x1_0000 {
                    // Numbers have 16 bits there: this one is zero.
                    continue;
                }
                bench.device.complete(queue, id, 64);
                bench.device.publish(queue);
                bench.assert_restarted(Fault::BadIndex);
            }
        }
    }
}

#[test]
fn an_id_reported_twice_restarts_the_device() {
    for mut bench in in_flight() {
        bench.driver.transmit(&packet(&[bench.chunk(2, 10)])).unwrap();
        bench.driver.flush();
        let sent = bench.device.take_sent().unwrap();
        for _ in 0..2 {
            bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
        }
        bench.device.publish(TRANSMIT);
        bench.assert_restarted(Fault::BadIndex);
    }
}

#[test]
fn an_id_in_the_middle_of_a_chain_restarts_the_device() {
    for bench in in_flight() {
        let sent = bench.device.take_sent().unwrap();
        bench.device.complete(TRANSMIT, u32::from(sent.head) + 1, 0);
        bench.device.publish(TRANSMIT);
        bench.assert_restarted(Fault::BadIndex);
    }
}

#[test]
fn completions_without_a_cause_restart_the_device() {
    for kind in split() {
        let bench = Bench::of(kind);
        bench.device.complete(TRANSMIT, 0, 0);
        bench.device.publish(TRANSMIT);
        bench.assert_restarted(Fault::BadIndex);
    }
}

#[test]
fn completions_without_a_cause_are_written_over_in_a_packed_ring() {
    for kind in kinds().into_iter().filter(|kind| kind.offer.features & feature::RING_PACKED != 0) {
        let mut bench = Bench::of(kind);
        bench.device.complete(TRANSMIT, 0, 0);
        bench.device.publish(TRANSMIT);
        bench.driver.flush();
        let payload = [bench.chunk(1, 10)];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        drop(payload);
        assert_eq!(bench.transmit_pool.available(), 63, "the device has it still");
        assert_eq!(bench.device.send_all().len(), 1);
        bench.driver.flush();
        assert_eq!(bench.fault(Fault::Broken), 0);
        bench.assert_returns_everything();
    }
}

#[test]
fn a_rewritten_descriptor_table_is_not_believed() {
    for kind in kinds() {
        for byte in [0, 0xff] {
            let mut bench = Bench::of(kind.clone());
            let is_packed = kind.offer.features & feature::RING_PACKED != 0;
            let payload = [bench.chunk(1, 10), bench.chunk(2, 10)];
            bench.driver.transmit(&packet(&payload)).unwrap();
            bench.driver.flush();
            let sent = bench.device.take_sent().unwrap();
            bench.device.scribble_descriptors(TRANSMIT, byte);
            bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
            bench.device.publish(TRANSMIT);
            drop(payload);
            bench.driver.flush();
            assert_eq!(bench.transmit_pool.available(), 64);
            if !is_packed {
                // All eight descriptors are free again, and written anew.
                for _ in 0..2 {
                    let payload = [bench.chunk(1, 10), bench.chunk(2, 10), bench.chunk(3, 10)];
                    bench.driver.transmit(&packet(&payload)).unwrap();
                }
                bench.driver.flush();
                assert_eq!(bench.device.send_all().len(), 2);
            }
            assert_eq!(bench.fault(Fault::Broken), 0);
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn a_rewritten_receive_ring_is_not_believed() {
    for kind in kinds() {
        for byte in [0, 0x7f, 0x80, 0xff] {
            let mut bench = Bench::of(kind.clone());
            bench.device.scribble_descriptors(RECEIVE, byte);
            for _ in 0..10 {
                assert!(bench.driver.receive().is_none());
                bench.driver.flush();
            }
            assert_eq!(bench.fault(Fault::Broken), 0);
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn completions_before_the_device_may_run_are_not_believed() {
    for mut kind in kinds() {
        kind.offer.hurries = true;
        let mut bench = Bench::of(kind);
        for _ in 0..4 {
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
        }
        assert_eq!(bench.fault(Fault::Broken), 0, "the device was started anew, or the lie overwritten");
        bench.assert_returns_everything();
    }
}

#[test]
fn a_device_that_lies_whenever_it_starts_is_given_up() {
    // The second queue is enabled before anything is in flight in it, so its used index is ahead for sure.
    for kind in split() {
        let mut bench = Bench::of(kind);
        bench.device.change(|offer| offer.hurries = true);
        bench.device.need_reset();
        for _ in 0..10 {
            bench.driver.on_configuration_change();
            bench.driver.flush();
            assert!(bench.driver.receive().is_none());
        }
        bench.assert_broken();
    }
}

#[test]
fn a_device_that_is_unplugged_is_not_spun_on() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        bench.device.unplug();
        let before = bench.device.accesses();
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert!(bench.driver.receive().is_none());
        let events = bench.driver.on_configuration_change();
        assert_eq!((events, bench.fault(Fault::Broken)), (Events::LINK | Events::BROKEN, 1));
        bench.driver.flush();
        assert!(bench.device.accesses() - before < 10);
        assert_eq!(bench.driver.on_configuration_change(), Events::empty());
    }
}

#[test]
fn a_configuration_that_never_settles_is_not_waited_for() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        bench.device.change(|offer| offer.never_settles = true);
        let before = bench.device.accesses();
        assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
        assert!(bench.device.accesses() - before < 100);
        bench.assert_broken();
    }
}

#[test]
fn interrupts_without_a_cause_are_counted_and_change_nothing() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        let before = bench.driver.statistics();
        let storm = rounds(100, 5);
        for _ in 0..storm {
            bench.device.interrupt(RECEIVE);
            bench.device.interrupt_for_config();
            bench.driver.on_interrupts(2);
            let _ = bench.driver.acknowledge();
            assert_eq!(bench.driver.on_configuration_change(), Events::empty());
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
        }
        assert_eq!(bench.device.line(), 0, "the line is let go of");
        let after = bench.driver.statistics();
        assert_eq!((after.interrupts, after.faults), (2 * storm as u64, before.faults));
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn a_device_that_never_interrupts_is_found_by_looking() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.deliver(&[1; 60]);
        let _ = (bench.device.interrupts(), bench.driver.acknowledge());
        // The interrupt was lost; arming again says that there is work.
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Work);
        assert!(bench.driver.receive().is_some());
    }
}

#[test]
fn status_bits_that_the_device_makes_up_are_not_believed() {
    for status in [0, 0x0b, 0x80 | 0x0f] {
        let mut bench = Bench::new(small());
        bench.device.set_status(status);
        assert_eq!(bench.driver.on_configuration_change(), Events::empty());
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn features_that_change_are_settled_by_what_was_read() {
    for reached in [Reached::Pci, Reached::Mmio] {
        let mut offer = with(small(), feature::RING_RESET);
        offer.flickering = feature::RING_RESET | feature::MRG_RXBUF;
        let mut bench = Bench::of(Kind { offer, reached });
        bench.device.need_reset();
        // The second look found fewer: it is another device.
        assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
        bench.assert_broken();
    }
}

/// What a hostile device may do between two things that its driver does.
#[test]
fn a_device_that_writes_into_another_ring_gets_no_more_than_it_was_given() {
    for offer in rings() {
        for offset in (0..4096).step_by(rounds(8, 2000)) {
            let mut bench = Bench::new(with(offer.clone(), feature::INDIRECT_DESC));
            bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
            bench.driver.flush();
            bench.device.scribble(RECEIVE, 0, offset, &[0xb1; 8]);
            bench.device.send_all();
            while bench.driver.receive().is_some() {}
            bench.driver.flush();
            bench.assert_returns_everything();
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u32, u32, [u8; 12])>> {
    let len = prop_oneof![0..80u32, Just(2048), any::<u32>()];
    proptest::collection::vec((0..10u8, 0..10u32, len, any::<[u8; 12]>()), 1..rounds(60, 20))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 500 }))]

    /// Whatever the device writes: no panic, and in the end every slot is back.
    #[test]
    fn arbitrary_completions_cost_nothing(ring in 0..4usize, extra in 0..2u64, steps in steps()) {
        let mut bench = Bench::new(with(every_ring()[ring].clone(), extra * feature::RING_RESET));
        for (step, id, len, header) in steps {
            let queue = id as usize % 2;
            match step {
                0 => drop(bench.driver.transmit(&packet(&[bench.chunk(1, 10)]))),
                1 => bench.driver.flush(),
                2 => drop(bench.driver.receive()),
                3 => {
                    if let Some(chain) = bench.device.take(RECEIVE) {
                        bench.device.fill(&chain, &header);
                        bench.device.complete(RECEIVE, u32::from(chain.head), len);
                        bench.device.publish(RECEIVE);
                    }
                }
                4 => {
                    bench.device.complete(queue, id, len);
                    bench.device.publish(queue);
                }
                5 => bench.device.scribble(queue, len as usize % 3, u64::from(id * 4), &header),
                6 => bench.device.publish_ahead(queue, len as u16),
                7 if id == 0 => bench.device.need_reset(),
                8 => drop(bench.driver.on_configuration_change()),
                _ => drop(bench.device.send_all()),
            }
        }
        bench.driver.quiesce().unwrap();
        prop_assert_eq!((bench.pool.available(), bench.transmit_pool.available()), (16, 64));
    }
}
