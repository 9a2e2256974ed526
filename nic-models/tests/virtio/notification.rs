//! What either side asks to be told of, and that a chain which was not queued is never seen.
use lendwire_drivers::model::{Offer, TRANSMIT, feature};
use lendwire_nic::{Chunk, Fault, Interrupts, Nic, Pending};

use crate::{Bench, MESSAGES, packet, rings, rounds};

#[test]
fn a_chain_that_was_refused_halfway_is_never_seen() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        // Three parts are written before the fourth turns out to be out of reach.
        let bad = [bench.chunk(1, 10), bench.chunk(2, 10), bench.chunk(3, 10), Chunk::from_static(b"elsewhere")];
        for round in 1..=rounds(50, 10) as u64 {
            bench.driver.transmit(&packet(&bad)).unwrap();
            assert_eq!(bench.fault(Fault::Unsendable), round);
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
            let sent = bench.device.send_all();
            assert_eq!(sent.iter().map(|sent| sent.frame.len()).collect::<Vec<_>>(), [34]);
            bench.driver.flush();
        }
    }
}

#[test]
fn a_device_that_wants_no_doorbell_gets_none() {
    for offer in rings().into_iter().filter(|offer| offer.features & feature::EVENT_IDX == 0) {
        let is_packed = offer.features & feature::RING_PACKED != 0;
        let mut bench = Bench::new(offer);
        // §2.7.10: the used ring's flags; §2.8.14: the device's flags behind its offset.
        let (at, silent, reserved) = if is_packed { (2, 1, 3) } else { (0, 1, 2) };
        let rung = |bench: &mut Bench, flags: u16| {
            bench.device.scribble(TRANSMIT, 2, at, &flags.to_le_bytes());
            let before = bench.device.notifications(TRANSMIT);
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
            bench.device.notifications(TRANSMIT) - before
        };
        assert_eq!(rung(&mut bench, silent), 0);
        assert_eq!(rung(&mut bench, 0), 1);
        assert_eq!(rung(&mut bench, reserved), 1, "what is not defined is no reason to fall silent");
    }
}

#[test]
fn a_full_ring_wakes_nobody_before_most_of_it_is_back() {
    for offer in rings().into_iter().filter(|offer| offer.features & feature::EVENT_IDX != 0) {
        let mut bench = Bench::new(Offer { queue_size: 64, ..offer });
        while bench.driver.transmit(&packet(&[])).is_ok() {}
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        // 64 are out: the 49th that comes back is the one that tells.
        for done in 1..=64 {
            let sent = bench.device.take_sent().unwrap();
            bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
            bench.device.publish(TRANSMIT);
            let expected = if done == 49 { &MESSAGES[1..2] } else { &[] };
            assert_eq!(bench.device.interrupts(), expected, "after {done}");
        }
    }
}

#[test]
fn a_packed_ring_may_have_any_size() {
    let packed = rings().into_iter().filter(|offer| offer.features & feature::RING_PACKED != 0);
    for (offer, size) in packed.flat_map(|offer| [2, 3, 7, 100].map(|size| (offer.clone(), size))) {
        let mut bench = Bench::new(Offer { queue_size: size, ..offer });
        for round in 0..rounds(1_000, 6) {
            bench.assert_comes_back(round as u8);
            assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
            assert!(bench.device.deliver(&[1; 60]));
            assert_eq!(bench.device.interrupts(), MESSAGES[..1]);
            bench.driver.receive().unwrap();
            assert_eq!(bench.driver.set_interrupts(Interrupts::Masked), Pending::Nothing);
            bench.driver.flush();
        }
        assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
    }
}
