//! A device that lies. Each lie is counted; none is believed, and none costs a slot.
use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::model::{RECEIVE, TRANSMIT, feature};
use lendwire_nic::{Fault, MAX_CHUNKS, Nic};
use proptest::prelude::*;

use crate::{Bench, header, packet, rings, small, without};

/// Receives into one buffer what `header` and `written` claim.
fn lie(bench: &Bench, buffers: u16, written: u32) {
    let chain = bench.device.take(RECEIVE).unwrap();
    let mut bytes = [0; 72];
    bytes[10..12].copy_from_slice(&buffers.to_le_bytes());
    bench.device.fill(&chain, &bytes);
    bench.device.complete(RECEIVE, u32::from(chain.head), written);
    bench.device.publish(RECEIVE);
}

#[test]
fn a_used_index_beyond_what_is_outstanding_restarts_the_device() {
    for queue in [RECEIVE, TRANSMIT] {
        for ahead in [9, 0x8000, 0xffff] {
            let mut bench = Bench::new(small());
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
            bench.device.publish_ahead(queue, ahead);
            bench.assert_restarted(Fault::BadIndex);
        }
    }
}

#[test]
fn a_used_index_that_goes_back_restarts_the_device() {
    let mut bench = Bench::new(small());
    bench.device.deliver(&[1; 60]);
    bench.device.deliver(&[2; 60]);
    bench.driver.receive().unwrap();
    bench.device.publish_ahead(RECEIVE, 0u16.wrapping_sub(2));
    let _ = bench.driver.set_interrupts(lendwire_nic::Interrupts::Armed);
    bench.assert_restarted(Fault::BadIndex);
}

#[test]
fn an_id_out_of_range_restarts_the_device() {
    for id in [8, 0xffff, 0x1_0000, u32::MAX] {
        for queue in [RECEIVE, TRANSMIT] {
            let mut bench = Bench::new(small());
            bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
            bench.driver.flush();
            bench.device.complete(queue, id, 64);
            bench.device.publish(queue);
            bench.assert_restarted(Fault::BadIndex);
        }
    }
}

#[test]
fn an_id_reported_twice_restarts_the_device() {
    let mut bench = Bench::new(small());
    bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
    bench.driver.transmit(&packet(&[bench.chunk(2, 10)])).unwrap();
    bench.driver.flush();
    let sent = bench.device.take_sent().unwrap();
    for _ in 0..2 {
        bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
    }
    bench.device.publish(TRANSMIT);
    bench.assert_restarted(Fault::BadIndex);
}

#[test]
fn an_id_in_the_middle_of_a_chain_restarts_the_device() {
    let mut bench = Bench::new(small());
    bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
    bench.driver.flush();
    let sent = bench.device.take_sent().unwrap();
    bench.device.complete(TRANSMIT, u32::from(sent.head) + 1, 0);
    bench.device.publish(TRANSMIT);
    bench.assert_restarted(Fault::BadIndex);
}

#[test]
fn a_length_beyond_the_buffer_is_dropped() {
    for written in [2049, 0xffff, u32::MAX] {
        let mut bench = Bench::new(small());
        lie(&bench, 1, written);
        bench.assert_dropped(Fault::BadLength);
    }
}

#[test]
fn a_length_below_the_header_is_dropped() {
    for written in [0, 1, 11, 12] {
        let mut bench = Bench::new(small());
        lie(&bench, 1, written);
        bench.assert_dropped(Fault::BadLength);
    }
}

#[test]
fn no_buffers_and_too_many_are_dropped() {
    for buffers in [0, MAX_CHUNKS as u16 + 1, 0xffff] {
        let mut bench = Bench::new(small());
        lie(&bench, buffers, 72);
        bench.assert_dropped(Fault::BadChain);
    }
}

#[test]
fn buffers_that_never_come_are_not_waited_for() {
    let mut bench = Bench::new(small());
    lie(&bench, 3, 72);
    bench.assert_dropped(Fault::BadChain);
}

#[test]
fn all_buffers_of_a_frame_that_is_too_long_are_dropped_together() {
    let mut bench = Bench::with_slots(lendwire_drivers::model::Offer { queue_size: 16, ..small() }, 16, 256);
    // Nine buffers and one too many for a packet.
    assert!(bench.device.deliver(&[1; 256 * 8]));
    bench.assert_dropped(Fault::BadChain);
    drop(bench.driver);
    assert_eq!(bench.pool.available(), 16);
}

#[test]
fn a_bad_length_in_a_later_buffer_drops_the_whole_frame() {
    for written in [0, 2049] {
        let mut bench = Bench::new(small());
        let chains: Vec<_> = (0..3).map(|_| bench.device.take(RECEIVE).unwrap()).collect();
        let mut bytes = [0; 72];
        bytes[10] = 3;
        bench.device.fill(&chains[0], &bytes);
        for (chain, len) in chains.iter().zip([2048, written, 2048]) {
            bench.device.complete(RECEIVE, u32::from(chain.head), len);
        }
        bench.device.publish(RECEIVE);
        bench.assert_dropped(Fault::BadLength);
    }
}

#[test]
fn senseless_headers_are_dropped() {
    for senseless in [
        // Segmentation that was never negotiated.
        header(0, 1, 0, 0),
        header(0, 4, 0, 0),
        header(0, 0xff, 0, 0),
        // A checksum outside the frame.
        header(1, 0, 60, 0),
        header(1, 0, 34, 25),
        header(1, 0, 0xffff, 0xffff),
    ] {
        let mut bench = Bench::new(small());
        assert!(bench.device.deliver_with(senseless, &[1; 60]));
        bench.assert_dropped(Fault::BadHeader);
    }
    let mut bench = Bench::new(without(feature::GUEST_CSUM));
    assert!(bench.device.deliver_with(header(1, 0, 34, 16), &[1; 60]));
    bench.assert_dropped(Fault::BadHeader);
}

#[test]
fn a_rewritten_descriptor_table_is_not_believed() {
    for byte in [0, 0xff] {
        let mut bench = Bench::new(small());
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
        // All eight descriptors are free again, and written anew.
        for _ in 0..2 {
            bench.driver.transmit(&packet(&[bench.chunk(1, 10), bench.chunk(2, 10), bench.chunk(3, 10)])).unwrap();
        }
        bench.driver.flush();
        assert_eq!(bench.device.send_all().len(), 2);
        assert_eq!(bench.fault(Fault::Broken), 0);
    }
}

#[test]
fn completions_without_a_cause_restart_the_device() {
    let bench = Bench::new(small());
    bench.device.complete(TRANSMIT, 0, 0);
    bench.device.publish(TRANSMIT);
    bench.assert_restarted(Fault::BadIndex);
}

#[test]
fn a_device_that_is_unplugged_is_not_spun_on() {
    let mut bench = Bench::new(small());
    bench.device.unplug();
    bench.driver.transmit(&packet(&[])).unwrap();
    bench.driver.flush();
    assert!(bench.driver.receive().is_none());
    bench.driver.on_configuration_change();
    assert_eq!(bench.fault(Fault::Broken), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 500 }))]

    /// Whatever the device writes: no panic, and in the end every slot is back.
    #[test]
    fn arbitrary_completions_cost_nothing(
        ring in 0..4usize,
        steps in proptest::collection::vec((0..6u8, 0..10u32, prop_oneof![0..80u32, Just(2048), any::<u32>()], any::<[u8; 12]>()), 1..60),
    ) {
        let mut bench = Bench::new(rings()[ring].clone());
        for (step, id, len, header) in steps {
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
                    bench.device.complete(id as usize % 2, id, len);
                    bench.device.publish(id as usize % 2);
                }
                _ => drop(bench.device.send_all()),
            }
        }
        bench.driver.quiesce().unwrap();
        prop_assert_eq!((bench.pool.available(), bench.transmit_pool.available()), (16, 64));
    }
}
