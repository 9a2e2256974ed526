//! What a device does to rings and registers that is not its to do. Nothing of it is believed, and none costs a slot.
use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::e1000::{Claim, Kind, cause};
use lendwire_drivers::platform::Wiring;
use lendwire_nic::{Fault, Interrupts, Nic, Pending};
use proptest::prelude::*;

use crate::frames::{OWN, plain};
use crate::{Bench, Setup, packet, rounds};

/// The device is not listened to any more, and nothing is lost for it.
#[track_caller]
fn assert_broken(mut bench: Bench) {
    while bench.driver.receive().is_some() {}
    bench.driver.flush();
    assert_eq!(bench.fault(Fault::Broken), 1);
    assert_eq!(bench.driver.link(), lendwire_nic::Link::Down);
    bench.driver.transmit(&packet(&[])).unwrap();
    assert!(bench.driver.receive().is_none());
    bench.assert_nothing_leaks();
}

#[test]
fn descriptors_that_were_not_given_are_not_taken() {
    for kind in Kind::BOTH {
        let mut bench = Setup { slots: 8, ..Setup::of(kind) }.start();
        let (head, tail) = bench.device.receive_position();
        assert!(tail > head);
        // Everything from the tail on is the driver's, whatever the device writes there.
        for index in (tail..bench.device.receive_ring_len()).step_by(rounds(1, 29)) {
            bench.device.claim_at(index, Claim::frame(64));
        }
        assert!(bench.driver.receive().is_none());
        assert_eq!(bench.fault(Fault::Broken), 0);
        for _ in 0..rounds(1200, 20) {
            bench.assert_alive();
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn buffers_that_the_device_was_not_told_of_may_come_back_filled() {
    for kind in Kind::BOTH {
        let mut bench = Setup { slots: rounds(1024, 128), ..Setup::of(kind) }.start();
        for _ in 0..rounds(100, 24) {
            bench.received(&plain(OWN, 64));
        }
        let (_, tail) = bench.device.receive_position();
        bench.driver.flush();
        assert_eq!(bench.device.receive_position().1, tail, "the device has enough, and is told of more later");
        let ring = bench.device.receive_ring_len();
        for index in 0..ring {
            bench.device.claim_at(index, Claim::frame(64));
        }
        let mut taken = 0;
        while bench.driver.receive().is_some() {
            taken += 1;
        }
        assert_eq!(taken, ring - 1);
        bench.driver.flush();
        assert_eq!(bench.fault(Fault::Broken), 0);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_device_that_is_given_up_lets_go_of_its_line() {
    let mut bench = Bench::new(Kind::E82540Em).settled();
    assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
    // STATUS says what only a device that is gone says, but this one is there.
    bench.device.poke(0x08, u32::MAX);
    assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
    bench.device.raise(cause::LSC);
    assert!(!bench.device.is_line_asserted(), "another device may be on the same line");
    bench.device.poke(0x08, 0);
    bench.assert_nothing_leaks();
}

#[test]
fn a_descriptor_reported_twice_is_one_frame() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let (first, _) = bench.device.receive_position();
        let received = bench.received(&plain(OWN, 64));
        bench.device.claim_at(first, Claim::frame(64));
        assert!(bench.driver.receive().is_none());
        bench.driver.flush();
        assert!(bench.driver.receive().is_none());
        drop(received);
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_later_descriptor_is_not_taken_before_its_turn() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let (first, _) = bench.device.receive_position();
        bench.device.claim_at(first + 1, Claim::frame(64));
        assert!(bench.driver.receive().is_none(), "the ring has an order");
        bench.device.claim_at(first, Claim::frame(64));
        assert!(bench.driver.receive().is_some() && bench.driver.receive().is_some());
        assert!(bench.driver.receive().is_none());
        bench.driver.flush();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_rewritten_buffer_address_is_not_read_back() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let (first, _) = bench.device.receive_position();
        // Done and whole in both forms, with an address of the device's choice.
        let mut descriptor = [0x41; 16];
        descriptor[8..].copy_from_slice(&if kind.is_express() {
            [3, 0, 0, 0, 64, 0, 0, 0]
        } else {
            [64, 0, 0, 0, 3, 0, 0, 0]
        });
        bench.device.overwrite_receive(first, descriptor);
        let received = bench.driver.receive().expect("the frame is where the driver put its buffer");
        let (start, len) = bench.pool.memory();
        assert!(received.front().as_ptr().addr() - start.addr().get() < len);
        drop(received);
        bench.driver.flush();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn packets_called_sent_before_they_were_told_of_stay_held() {
    for kind in Kind::BOTH {
        let mut bench = Setup::slow(kind).start();
        // More than the driver asks one report for.
        for _ in 0..20 {
            let payload = [bench.chunk(&[1; 100])];
            bench.driver.transmit(&packet(&payload)).unwrap();
        }
        for index in 0..50 {
            bench.device.claim_sent(index);
        }
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 108);
        bench.driver.flush();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn packets_called_sent_that_were_never_queued_free_nothing() {
    for kind in Kind::BOTH {
        let mut bench = Setup::slow(kind).start();
        let payload = [bench.chunk(&[1; 100])];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        drop(payload);
        for index in (8..bench.device.transmit_ring_len()).step_by(rounds(1, 7)) {
            bench.device.claim_sent(index);
        }
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 127);
        for _ in 0..rounds(500, 8) {
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
            bench.device.transmit(u32::MAX);
            bench.driver.flush();
        }
        assert_eq!(bench.transmit_pool.available(), 128);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_packet_called_sent_twice_is_freed_once() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for round in 0..rounds(300, 3) {
            let payload = [bench.chunk(&[1; 100])];
            bench.driver.transmit(&packet(&payload)).unwrap();
            bench.driver.flush();
            bench.driver.flush();
            for index in (0..bench.device.transmit_ring_len()).step_by(rounds(1, 3)) {
                bench.device.claim_sent(index);
            }
            bench.driver.flush();
            drop(payload);
            assert_eq!(bench.transmit_pool.available(), 128, "round {round}");
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_device_that_never_finishes_fills_the_ring_and_no_more() {
    for kind in Kind::BOTH {
        let mut bench = Setup::slow(kind).start();
        let payload = [(); 7].map(|()| bench.chunk(&[1; 100]));
        for _ in 0..rounds(1000, 20) {
            let _ = bench.driver.transmit(&packet(&payload));
            bench.driver.flush();
        }
        drop(payload);
        assert!(bench.driver.statistics().sent < 256 / 8);
        assert_eq!(bench.transmit_pool.available(), 121);
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn rings_full_of_anything_are_survived() {
    for kind in Kind::BOTH {
        for byte in [3].into_iter().chain(0..=255).take(rounds(257, 1)) {
            let mut bench = Setup::slow(kind).start();
            let payload = [bench.chunk(&[1; 100])];
            bench.driver.transmit(&packet(&payload)).unwrap();
            bench.driver.flush();
            drop(payload);
            bench.device.scribble(byte);
            for _ in 0..rounds(20, 3) {
                while bench.driver.receive().is_some() {}
                bench.driver.flush();
                let _ = bench.driver.transmit(&packet(&[]));
            }
            bench.assert_nothing_leaks();
        }
    }
}

#[test]
fn heads_are_not_listened_to() {
    for kind in Kind::BOTH {
        let mut bench = Setup::slow(kind).start();
        for value in [0, 1, 255, 256, 0xffff, u32::MAX] {
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
            bench.device.scramble_heads(value);
            for _ in 0..10 {
                assert!(bench.driver.receive().is_none());
                bench.driver.flush();
                let _ = bench.driver.set_interrupts(Interrupts::Armed);
                bench.driver.transmit(&packet(&[])).unwrap();
            }
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_storm_of_interrupts_is_only_a_storm() {
    for wiring in [Wiring::Line, Wiring::Messages(&crate::MESSAGES)] {
        let mut bench = Setup { wiring, ..Setup::of(Kind::E82574L) }.start();
        for round in 0..rounds(2000, 10) {
            let _ = bench.driver.set_interrupts(Interrupts::Armed);
            bench.device.raise(0x01ff_ffff);
            bench.driver.acknowledge();
            let before = bench.device.counts().accesses;
            bench.driver.on_configuration_change();
            assert!(bench.device.counts().accesses - before < 10, "round {round}");
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
        }
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn an_interrupt_that_never_comes_loses_nothing() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        for len in 60..80 {
            assert!(bench.device.deliver(&plain(OWN, len)));
        }
        bench.device.messages();
        for len in 60..80 {
            assert_eq!(bench.driver.receive().unwrap().len(), len);
        }
        bench.assert_alive();
    }
}

#[test]
fn causes_that_stay_do_not_hold_the_kernel() {
    for kind in Kind::BOTH {
        let mut bench = Setup { wiring: Wiring::Line, ..Setup::of(kind) }.start();
        for _ in 0..rounds(100, 10) {
            bench.device.raise(cause::LSC | cause::RXT0 | cause::RXO);
            bench.driver.acknowledge();
            bench.driver.on_configuration_change();
        }
        assert!(!bench.device.is_line_asserted());
        bench.assert_alive();
    }
}

#[test]
fn a_device_that_was_gone_stays_broken_when_it_is_back() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        bench.received(&plain(OWN, 64));
        let payload = [bench.chunk(&[1; 100])];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        drop(payload);
        bench.device.unplug();
        bench.driver.on_configuration_change();
        // It is back, but nobody knows what it did meanwhile.
        bench.device.plug_in();
        assert_broken(bench);
    }
}

/// What a device does in a run of [`nothing_that_a_device_does_leaks_or_panics`].
#[derive(Clone, Debug)]
enum Step {
    Deliver(u16),
    Claim { len: u16, status: u32 },
    ClaimAt { index: u8, len: u16, status: u32 },
    ClaimSent(u8),
    Overwrite { index: u8, word: u64 },
    Raise(u32),
    Transmit(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (60..3000u16).prop_map(Step::Deliver),
        (any::<u16>(), any::<u32>()).prop_map(|(len, status)| Step::Claim { len, status }),
        (any::<u8>(), 0..2100u16, any::<u32>()).prop_map(|(index, len, status)| Step::ClaimAt { index, len, status }),
        any::<u8>().prop_map(Step::ClaimSent),
        (any::<u8>(), any::<u64>()).prop_map(|(index, word)| Step::Overwrite { index, word }),
        any::<u32>().prop_map(Step::Raise),
        any::<u8>().prop_map(Step::Transmit),
    ];
    proptest::collection::vec(step, 0..rounds(40, 12))
}

fn run(kind: Kind, steps: Vec<Step>) {
    let mut bench = Setup::slow(kind).start();
    for step in steps {
        let payload = [bench.chunk(&[1; 100])];
        let _ = bench.driver.transmit(&packet(&payload));
        drop(payload);
        match step {
            // An honest step on a ring that was lied about would find no buffer where one was.
            Step::Deliver(len) => drop(bench.device.claim(Claim::frame(len))),
            Step::Claim { len, status } => drop(bench.device.claim(Claim { len, status, vlan: 1, hash: Some((1, 1)) })),
            Step::ClaimAt { index, len, status } => {
                bench.device.claim_at(index.into(), Claim { len, status, vlan: 1, hash: None });
            }
            Step::ClaimSent(index) => bench.device.claim_sent(index.into()),
            Step::Overwrite { index, word } => {
                bench.device.overwrite_receive(
                    index.into(),
                    [word.to_le_bytes(), word.to_be_bytes()].concat().try_into().unwrap(),
                );
                bench.device.overwrite_transmit(
                    index.into(),
                    [word.to_be_bytes(), word.to_le_bytes()].concat().try_into().unwrap(),
                );
            }
            Step::Raise(causes) => bench.device.raise(causes),
            Step::Transmit(index) => bench.device.claim_sent(u32::from(index)),
        }
        while bench.driver.receive().is_some() {}
        bench.driver.flush();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        bench.driver.acknowledge();
        bench.driver.on_configuration_change();
    }
    bench.assert_nothing_leaks();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(200, 1) as u32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_device_does_leaks_or_panics(express in any::<bool>(), steps in steps()) {
        run(Kind::BOTH[usize::from(express)], steps);
    }
}
