//! Who is disturbed when, by line and by message.
use lendwire_drivers::driver::{Causes, Driver as _, Events};
use lendwire_drivers::e1000::Settings;
use lendwire_drivers::model::e1000::{Kind, cause, register};
use lendwire_drivers::platform::Wiring;
use lendwire_nic::{Interrupts, Link, Nic, Pending};

use crate::frames::{FIRST, OWN, Version, plain, tcp_frame};
use crate::{Bench, MESSAGES, Setup, both, packet, rounds};

/// Every kind on its line, the 82574L by messages too.
fn every_wiring() -> Vec<Setup> {
    let lines = Kind::BOTH.map(|kind| Setup { wiring: Wiring::Line, ..Setup::of(kind) });
    lines.into_iter().chain([Setup::of(Kind::E82574L)]).collect()
}

/// Whether the device disturbed since the last look: the kernel's handler ran, and its loop asked why.
fn was_disturbed(bench: &mut Bench) -> Causes {
    let messages = bench.device.messages();
    if !messages.is_empty() {
        let mut causes = Causes::empty();
        causes.set(Causes::FRAMES, messages.iter().any(|message| MESSAGES[..2].contains(message)));
        causes.set(Causes::CONFIGURATION, messages.contains(&MESSAGES[2]));
        return causes;
    }
    if !bench.device.is_line_asserted() {
        return Causes::empty();
    }
    let causes = bench.driver.acknowledge();
    assert!(!bench.device.is_line_asserted(), "asking why lets go of the line");
    causes
}

#[test]
fn masked_is_silent_and_armed_tells_of_the_next_frame() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        assert_eq!(was_disturbed(&mut bench), Causes::empty(), "interrupts start masked");
        for _ in 0..rounds(300, 6) {
            bench.received(&plain(OWN, 60));
        }
        assert_eq!(was_disturbed(&mut bench), Causes::empty());
        for _ in 0..3 {
            assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
            assert_eq!(was_disturbed(&mut bench), Causes::empty());
            assert!(bench.device.deliver(&plain(OWN, 60)));
            assert_eq!(was_disturbed(&mut bench), Causes::FRAMES);
            assert_eq!(bench.driver.set_interrupts(Interrupts::Masked), Pending::Nothing);
            bench.driver.receive().unwrap();
            bench.driver.flush();
        }
        bench.driver.on_interrupts(3);
        assert_eq!(bench.driver.statistics().interrupts, 3);
    }
}

#[test]
fn what_came_while_masked_is_pending_when_arming() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        assert!(bench.device.deliver(&plain(OWN, 60)));
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Work);
        bench.driver.receive().unwrap();
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
    }
}

#[test]
fn a_burst_behind_one_interrupt_is_one_interrupt() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        let before = bench.device.counts().interrupts;
        for _ in 0..rounds(20, 5) {
            assert!(bench.device.deliver(&plain(OWN, 60)));
        }
        assert_eq!(bench.device.counts().interrupts, before + 1);
    }
}

#[test]
fn a_line_that_is_silenced_by_asking_is_heard_again_when_armed() {
    for &kind in both() {
        let mut bench = Setup { wiring: Wiring::Line, ..Setup::of(kind) }.start().settled();
        for _ in 0..rounds(100, 5) {
            assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
            assert!(bench.device.deliver(&plain(OWN, 60)));
            assert!(bench.device.is_line_asserted());
            assert_eq!(bench.driver.acknowledge(), Causes::FRAMES);
            assert!(!bench.device.is_line_asserted());
            bench.driver.receive().unwrap();
            bench.driver.flush();
        }
    }
}

#[test]
fn another_device_on_the_line_is_not_this_one() {
    for &kind in both() {
        let mut bench = Setup { wiring: Wiring::Line, ..Setup::of(kind) }.start().settled();
        assert_eq!(bench.driver.acknowledge(), Causes::empty());
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        assert_eq!(bench.driver.acknowledge(), Causes::empty());
        assert!(bench.device.deliver(&plain(OWN, 60)));
        assert!(bench.device.is_line_asserted());
    }
}

#[test]
fn a_transmit_interrupt_comes_only_when_the_ring_is_short() {
    for wiring in [Wiring::Messages(&MESSAGES), Wiring::Line].into_iter().take(rounds(2, 1)) {
        let mut bench = Setup { wiring, ..Setup::slow(Kind::E82574L) }.start().settled();
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.transmit(u32::MAX);
        assert_eq!(was_disturbed(&mut bench), Causes::empty(), "nobody waits for room");
        bench.driver.flush();
        let payload = [(); 7].map(|()| bench.chunk(&[1; 100]));
        while bench.driver.transmit(&packet(&payload)).is_ok() {}
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.transmit(u32::MAX);
        assert_eq!(was_disturbed(&mut bench), Causes::FRAMES);
        bench.driver.flush();
        bench.driver.transmit(&packet(&[])).unwrap();
    }
}

#[test]
fn one_message_serves_everything_and_none_means_polling() {
    for messages in [&MESSAGES[..1], &MESSAGES[..2], &[]] {
        let mut bench = Setup { wiring: Wiring::Messages(messages), ..Setup::of(Kind::E82574L) }.start().settled();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        assert!(bench.device.deliver(&plain(OWN, 60)));
        assert_eq!(bench.device.messages(), messages[..messages.len().min(1)]);
        assert!(!bench.device.is_line_asserted());
        assert!(bench.driver.receive().is_some());
    }
}

#[test]
fn a_polled_device_disturbs_nobody() {
    for &kind in both() {
        let mut bench = Setup { wiring: Wiring::Polled, ..Setup::of(kind) }.start();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        assert!(bench.device.deliver(&plain(OWN, 60)));
        bench.device.set_cable(false);
        assert_eq!((bench.device.counts().interrupts, bench.driver.receive().is_some()), (0, true));
    }
}

#[test]
fn the_link_follows_the_cable() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        assert_eq!(bench.driver.link(), Link::Up);
        for link in [Link::Down, Link::Up, Link::Down, Link::Up] {
            bench.device.set_cable(link == Link::Up);
            assert_eq!(was_disturbed(&mut bench), Causes::CONFIGURATION, "armed or not, the link is told of");
            assert_eq!((bench.driver.on_configuration_change(), bench.driver.link()), (Events::LINK, link));
            assert_eq!(bench.driver.on_configuration_change(), Events::empty());
        }
        bench.assert_alive();
    }
}

#[test]
fn a_device_without_cable_starts_and_wakes_later() {
    for &kind in both() {
        let mut setup = Setup::of(kind);
        setup.offer.has_cable = false;
        let mut bench = setup.start();
        assert_eq!(bench.driver.link(), Link::Down);
        bench.device.set_cable(true);
        assert_eq!((bench.driver.on_configuration_change(), bench.driver.link()), (Events::LINK, Link::Up));
        bench.assert_alive();
    }
}

#[test]
fn a_changed_link_and_a_frame_are_both_told_of() {
    for &kind in both() {
        let mut bench = Setup { wiring: Wiring::Line, ..Setup::of(kind) }.start().settled();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        assert!(bench.device.deliver(&plain(OWN, 60)));
        bench.device.set_cable(false);
        assert_eq!(bench.driver.acknowledge(), Causes::FRAMES | Causes::CONFIGURATION);
    }
}

#[test]
fn arming_forgets_no_changed_link() {
    for &kind in both() {
        let mut bench = Setup { wiring: Wiring::Line, ..Setup::of(kind) }.start().settled();
        bench.device.set_cable(false);
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        assert!(bench.device.is_line_asserted());
        assert!(bench.driver.acknowledge().contains(Causes::CONFIGURATION));
    }
}

#[test]
fn moderation_is_programmed() {
    for (interval, expected) in [(0, 0), (50_000, 195), (256, 1), (u32::MAX, 0xffff)].into_iter().take(rounds(4, 2)) {
        for setup in every_wiring() {
            let settings = Settings { interrupt_interval: interval, ..Settings::default() };
            let sends_messages = setup.wiring != Wiring::Line;
            let bench = Setup { settings, ..setup }.start();
            let at = if sends_messages { register::EITR } else { register::ITR };
            assert_eq!(bench.device.register(at), expected, "in units of 256 ns");
        }
    }
}

#[test]
fn acknowledgments_are_frames_like_others() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        assert!(bench.device.deliver(&tcp_frame(Version::V4, OWN, FIRST, &[1; 100])));
        assert_eq!(was_disturbed(&mut bench), Causes::FRAMES);
    }
}

#[test]
fn causes_that_nobody_asked_for_disturb_nobody() {
    for setup in every_wiring() {
        let mut bench = setup.start().settled();
        let of_frames =
            [cause::TXDW, cause::TXQE, cause::RXDMT0, cause::RXT0, cause::RXQ0, cause::RXQ1, cause::TXQ0, cause::TXQ1];
        bench.device.raise(of_frames.into_iter().fold(0, |all, cause| all | cause));
        assert_eq!(was_disturbed(&mut bench), Causes::empty());
        bench.assert_alive();
    }
}
