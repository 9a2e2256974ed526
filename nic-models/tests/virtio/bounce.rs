//! A device that may not see the guest's memory: every pool is out of its reach.
use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::model::{Memory, Offer, RECEIVE, TRANSMIT, VirtioNetModel, feature};
use lendwire_drivers::virtio::ProbeError;
use lendwire_nic::{Chunk, Fault, Full, Nic, Pool};

use crate::{Bench, bytes, packet, pattern, probe, rings, rounds, small};

#[test]
fn frames_are_copied_both_ways_and_counted() {
    for offer in rings() {
        let mut bench = Bench::out_of_reach(offer, 16);
        let len = rounds(1000, 100);
        let payload = [bench.chunk(1, len), Chunk::from_static(b"static bytes are copied too")];
        for round in 1..rounds(100, 12) as u64 {
            bench.driver.transmit(&packet(&payload)).unwrap();
            bench.driver.flush();
            // Nothing of the stack's is held.
            let sent = bench.device.send_all().pop().unwrap();
            assert_eq!(sent.parts.len(), 1);
            assert_eq!(
                sent.frame,
                [&[0x14; 14][..], &[0x20; 20], &vec![1; len], b"static bytes are copied too"].concat()
            );
            assert!(bench.device.deliver(&sent.frame));
            assert_eq!(bytes(&bench.driver.receive().unwrap()), sent.frame);
            bench.driver.flush();
            assert_eq!(bench.driver.statistics().copied, round * (27 + 61 + 2 * len as u64));
        }
        assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
        assert_eq!(bench.pool.available(), 16, "the device has none of them");
        bench.driver.quiesce().unwrap();
        assert_eq!(bench.memory.taken(), 0);
    }
}

#[test]
fn out_of_the_mode_nothing_is_copied() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let payload = [bench.chunk(1, 1000)];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        let sent = bench.device.send_all().pop().unwrap();
        bench.device.deliver(&sent.frame);
        bench.driver.receive().unwrap();
        assert_eq!(bench.driver.statistics().copied, 0);
    }
}

#[test]
fn what_a_device_writes_later_is_not_seen() {
    let mut bench = Bench::out_of_reach(small(), 16);
    let chain = bench.device.take(RECEIVE).unwrap();
    let mut frame = [1; 72];
    frame[..12].fill(0);
    frame[10] = 1;
    bench.device.fill(&chain, &frame);
    bench.device.complete(RECEIVE, u32::from(chain.head), 72);
    bench.device.publish(RECEIVE);
    let received = bench.driver.receive().unwrap();
    bench.device.fill(&chain, &[0xee; 72]);
    assert_eq!(bytes(&received), [1; 60]);
}

#[test]
fn large_frames_come_in_copies_and_none_is_cut_by_the_device() {
    for offer in rings().into_iter().take(rounds(4, 1)) {
        let large = feature::GUEST_TSO4 | feature::HOST_TSO4 | feature::HOST_TSO6 | feature::HOST_ECN;
        let mut bench = Bench::out_of_reach(Offer { queue_size: 256, features: offer.features | large, ..offer }, 80);
        assert_eq!(bench.device.accepted_features() & large, feature::GUEST_TSO4);
        let frame = pattern(rounds(65_550, 20_000));
        assert!(bench.device.deliver_with([1, 1, 54, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0], &frame));
        let received = bench.driver.receive().unwrap();
        assert!(bytes(&received) == frame);
        assert_eq!((received.segment_size, received.chunks().len()), (Some(1448), rounds(33, 10)));
    }
}

#[test]
fn a_full_ring_changes_nothing_and_the_longest_frame_fits() {
    for offer in rings() {
        let mut bench = Bench::out_of_reach(offer, 16);
        let payload = [bench.chunk(1, 1484)];
        for _ in 0..8 {
            bench.driver.transmit(&packet(&payload)).unwrap();
        }
        let copied = bench.driver.statistics().copied;
        assert_eq!(bench.driver.transmit(&packet(&payload)), Err(Full));
        assert_eq!(bench.driver.statistics().copied, copied);
        for sent in bench.device.send_all() {
            assert_eq!(sent.frame[34..], [1; 1484]);
        }
        bench.driver.transmit(&packet(&[bench.chunk(1, 1485)])).unwrap();
        assert_eq!((bench.fault(Fault::Unsendable), bench.device.available(TRANSMIT)), (1, 0));
    }
}

#[test]
fn without_a_slot_to_copy_to_a_frame_is_dropped() {
    for offer in rings() {
        let mut bench = Bench::out_of_reach(offer, 1);
        assert!(bench.device.deliver(&[1; 60]));
        let held = bench.driver.receive().unwrap();
        assert!(bench.device.deliver(&[2; 60]));
        assert!(bench.driver.receive().is_none());
        assert_eq!(bench.fault(Fault::NoSlot), 1);
        drop(held);
        bench.driver.flush();
        assert!(bench.device.deliver(&[3; 60]));
        assert_eq!(bytes(&bench.driver.receive().unwrap()), [3; 60]);
    }
}

#[test]
fn a_length_that_is_not_there_is_dropped() {
    for offer in rings() {
        for written in [0, 12, 2049, u32::MAX] {
            let mut bench = Bench::out_of_reach(offer.clone(), 16);
            let chain = bench.device.take(RECEIVE).unwrap();
            bench.device.fill(&chain, &[0; 72]);
            bench.device.complete(RECEIVE, u32::from(chain.head), written);
            bench.device.publish(RECEIVE);
            bench.assert_dropped(Fault::BadLength);
        }
    }
}

#[test]
fn a_pool_that_is_half_in_reach_is_refused() {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_slots(pool, 4);
    let device = VirtioNetModel::new(&memory, small());
    assert_eq!(probe(&device, &memory, pool).err(), Some(ProbeError::PoolUnreachable));
    assert_eq!((memory.taken(), pool.available(), device.status()), (0, 16, 0));
}
