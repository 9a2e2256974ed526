//! What a device claims of received frames, and what it did not do. Each lie is counted; none is believed, and none costs
//! a slot.
use lendwire_drivers::e1000::{FrameCheck, Settings};
use lendwire_drivers::model::e1000::{Claim, Kind, status};
use lendwire_nic::{Fault, Nic, Received};

use crate::frames::{OWN, plain, tagged};
use crate::{Bench, Setup, bytes, rounds};

/// The device says `claim` of a descriptor into which it wrote a frame.
#[track_caller]
fn lie(bench: &Bench, claim: Claim) {
    bench.device.fill(&plain(OWN, 64));
    assert!(bench.device.claim(claim), "there is a descriptor");
}

#[test]
fn a_length_beyond_the_buffer_is_dropped() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for len in [2049, 4096, 0x8000, 0xffff] {
            lie(&bench, Claim::frame(len));
            bench.assert_dropped(Fault::BadLength);
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_length_beyond_the_buffer_in_the_middle_of_a_frame_drops_all_of_it() {
    for kind in Kind::BOTH {
        let mut bench = Setup::jumbo(kind, 1024).start();
        lie(&bench, Claim::frame(1024).without(status::EOP));
        lie(&bench, Claim::frame(1025).without(status::EOP));
        lie(&bench, Claim::frame(10));
        bench.assert_dropped(Fault::BadLength);
        assert!(bench.driver.receive().is_none());
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_frame_without_bytes_is_dropped() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        lie(&bench, Claim::frame(0));
        bench.assert_dropped(Fault::BadLength);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn an_empty_buffer_in_a_frame_is_no_empty_chunk() {
    for kind in Kind::BOTH {
        let mut bench = Setup::jumbo(kind, 1024).start();
        lie(&bench, Claim::frame(0).without(status::EOP));
        lie(&bench, Claim::frame(64));
        while let Some(received) = bench.driver.receive() {
            assert!(received.chunks().iter().all(|chunk| !chunk.is_empty()));
        }
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_frame_longer_than_asked_for_is_dropped() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for _ in 0..3 {
            lie(&bench, Claim::frame(2048).without(status::EOP));
        }
        lie(&bench, Claim::frame(2048));
        assert!(bench.driver.receive().is_none());
        assert!(bench.fault(Fault::BadChain) + bench.fault(Fault::BadLength) > 0);
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_frame_whose_end_never_comes_does_not_keep_the_slots() {
    for kind in Kind::BOTH {
        for setup in [Setup::of(kind), Setup::jumbo(kind, 2048)] {
            let mut bench = setup.start();
            for _ in 0..rounds(2000, 12) {
                if bench.device.receive_room() > 0 {
                    lie(&bench, Claim::frame(100).without(status::EOP));
                }
                assert!(bench.driver.receive().is_none());
                bench.driver.flush();
            }
            assert!(
                bench.device.receive_room() as usize > bench.pool.slots() / 2,
                "buffers come back while no end does"
            );
            assert!(bench.fault(Fault::BadChain) > 0);
            // The end of what was dropped is no frame; what comes behind it is.
            lie(&bench, Claim::frame(100));
            while bench.driver.receive().is_some() {}
            bench.assert_alive();
            bench.assert_nothing_leaks();
        }
    }
}

#[test]
fn a_frame_that_the_device_calls_damaged_is_dropped() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for error in [status::CE, status::RXE, 1 << 25, 1 << 26] {
            lie(&bench, Claim::frame(64).with(error));
            bench.assert_dropped(Fault::BadFrameCheck);
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_checksum_that_is_called_wrong_and_right_at_once_is_not_right() {
    for kind in Kind::BOTH {
        for odd in
            [status::TCPCS | status::TCPE, status::TCPCS | status::IPCS | status::IPE, status::TCPCS | status::IXSM]
        {
            let mut bench = Bench::new(kind);
            lie(&bench, Claim { len: 64, status: status::DD | status::EOP | odd, vlan: 0, hash: None });
            assert_eq!(bench.driver.receive().unwrap().checksum, Received::Unchecked, "{odd:#x}");
        }
    }
}

#[test]
fn status_without_meaning_has_none() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for bit in (0..32).step_by(rounds(1, 3)) {
            lie(&bench, Claim::frame(64).with(1 << bit));
            bench.driver.receive();
            bench.assert_alive();
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_tag_that_nobody_asked_for_is_not_handed_up() {
    for kind in Kind::BOTH {
        let settings = Settings { offloads: lendwire_nic::Offloads::empty(), ..Settings::default() };
        let mut bench = Setup { settings, ..Setup::of(kind) }.start();
        lie(&bench, Claim { vlan: 5, ..Claim::frame(64).with(status::VP | status::TCPCS).without(status::IXSM) });
        if let Some(received) = bench.driver.receive() {
            assert_eq!((received.vlan, received.checksum), (None, Received::Unchecked));
        }
        bench.assert_alive();
    }
}

#[test]
fn a_sequence_damaged_behind_the_devices_check_is_found_by_the_driver() {
    for kind in Kind::BOTH {
        let settings = Settings { frame_check: FrameCheck::ByDriver, ..Settings::default() };
        let mut bench = Setup { settings, ..Setup::of(kind) }.start();
        let frame = plain(OWN, 100);
        let sequence = crc32fast::hash(&frame).to_le_bytes();
        for at in (0..104).step_by(rounds(1, 11)) {
            let mut bytes = [&frame[..], &sequence].concat();
            bytes[at] ^= 0x10;
            bench.device.fill(&bytes);
            assert!(bench.device.claim(Claim::frame(104)));
            let before = bench.fault(Fault::BadFrameCheck);
            assert!(bench.driver.receive().is_none(), "byte {at}");
            assert_eq!(bench.fault(Fault::BadFrameCheck), before + 1);
            bench.driver.flush();
        }
        bench.assert_alive();
    }
}

#[test]
fn a_frame_shorter_than_its_own_check_sequence_is_dropped() {
    for kind in Kind::BOTH {
        let settings = Settings { frame_check: FrameCheck::ByDriver, ..Settings::default() };
        let mut bench = Setup { settings, ..Setup::of(kind) }.start();
        for len in 1..=4 {
            lie(&bench, Claim::frame(len));
            bench.assert_dropped(Fault::BadFrameCheck);
        }
    }
}

#[test]
fn a_header_without_type_is_dropped_or_short_of_nothing() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        for len in 1..14 {
            lie(&bench, Claim::frame(len));
            let received = bench.driver.receive();
            assert!(received.is_none_or(|packet| packet.len() == usize::from(len)));
            bench.assert_alive();
        }
    }
}

#[test]
fn a_stripped_frame_cannot_make_a_tag_of_its_own() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let frame = tagged(&tagged(&plain(OWN, 100), 7), 5);
        let received = bench.received(&frame);
        assert_eq!((received.vlan, bytes(&received)), (Some(5), tagged(&plain(OWN, 100), 7)));
    }
}
