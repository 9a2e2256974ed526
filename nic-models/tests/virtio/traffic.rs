//! An honest device: what is sent and received, and how often either side is disturbed for it.
use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::model::{Offer, RECEIVE, TRANSMIT, feature};
use lendwire_nic::{
    Checksum, Chunk, Differing, Fault, Full, Interrupts, Nic, Offloads, Payload, Pending, Received, Train, TxPacket,
};

use crate::{Bench, MESSAGES, bytes, filled, header, packet, rings, rounds, small, without};

#[test]
fn a_packet_is_a_header_and_its_own_parts() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let payload = [bench.chunk(1, 100), bench.chunk(2, 50)];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        let sent = bench.device.take_sent().unwrap();
        assert_eq!(sent.header, [0; 12]);
        assert_eq!(sent.frame, [&[0x14; 14][..], &[0x20; 20], &[1; 100], &[2; 50]].concat());
        // The device reads the socket's own bytes.
        let addresses: Vec<u64> = payload.iter().map(|chunk| chunk.as_ptr().addr() as u64).collect();
        assert_eq!(sent.parts[1..], [(addresses[0], 100), (addresses[1], 50)]);
        assert_eq!(bench.driver.statistics().copied, 0);
        assert_eq!((bench.driver.statistics().sent, bench.driver.statistics().sent_bytes), (1, 184));
    }
}

/// Headers in front of `payload`: two bytes of filling, a number, a word, and behind them what makes them 34 or `more` longer.
fn numbered(payload: Payload<'_>, more: usize) -> TxPacket<'_> {
    let mut packet = TxPacket::new(payload);
    packet.push(26 + more).fill(0x26);
    packet.push(8).copy_from_slice(&[0x14, 0x14, 0, 0, 0, 7, 0x10, 0x10]);
    packet
}

#[test]
fn a_train_is_its_packets_one_behind_the_other() {
    for (offer, more) in rings().into_iter().flat_map(|offer| [(offer.clone(), 0), (offer, 70)]) {
        let mut bench = Bench::new(Offer { features: offer.features | feature::CSUM, queue_size: 16, ..offer });
        // The third packet lies in two chunks, and what is behind the fifth fills none.
        let payload = [bench.chunk(1, 25), bench.chunk(2, 31)];
        let whole = Payload::of(&payload);
        let mut first = numbered(whole.clone().split_to(10), more);
        first.offload.checksum = Checksum::Fill { start: 14, offset: 16 };
        let differing = Differing { number: 2, checksum: None, last: (6, 0x1818) };
        let mut train = Train::new(first, whole, differing);
        assert_eq!((bench.driver.transmit_train(&mut train), train.sent()), (Ok(()), 5));
        bench.driver.flush();
        let carried = [&[1; 25][..], &[2; 31]].concat();
        let sent = bench.device.send_all();
        assert_eq!(sent.iter().map(|sent| sent.parts.len()).collect::<Vec<_>>(), [2, 2, 3, 2, 2]);
        for (place, sent) in sent.into_iter().enumerate() {
            let last = if place == 4 { 0x18 } else { 0x10 };
            let start = [0x14, 0x14, 0, 0, 0, 7 + 10 * place as u8, last, last];
            let frame = [&start[..], &vec![0x26; 26 + more], &carried[10 * place..][..10]].concat();
            assert_eq!((sent.frame, sent.header), (frame, header(1, 0, 14, 16)));
        }
        let statistics = bench.driver.statistics();
        assert_eq!((statistics.sent, statistics.sent_bytes, statistics.copied), (5, 5 * (44 + more as u64), 0));
        drop(payload);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 64);
    }
}

#[test]
fn a_train_that_finds_no_room_goes_on_where_it_stopped() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let payload = [bench.chunk(1, 70)];
        let whole = Payload::of(&payload);
        let differing = Differing { number: 2, checksum: None, last: (6, 0x1818) };
        let mut train = Train::new(numbered(whole.clone().split_to(10), 0), whole, differing);
        for sent in [4, 4] {
            assert_eq!((bench.driver.transmit_train(&mut train), train.sent()), (Err(Full), sent));
        }
        bench.driver.flush();
        let mut numbers: Vec<u8> = bench.device.send_all().iter().map(|sent| sent.frame[5]).collect();
        assert_eq!((bench.driver.transmit_train(&mut train), train.sent()), (Ok(()), 7));
        bench.driver.flush();
        numbers.extend(bench.device.send_all().iter().map(|sent| sent.frame[5]));
        assert_eq!(numbers, [7, 17, 27, 37, 47, 57, 67]);
        assert_eq!(bench.driver.statistics().sent, 7);
        // What can never be sent does not stop what is behind it.
        let whole = Payload::of(&payload);
        let mut first = numbered(whole.clone().split_to(10), 0);
        first.offload.checksum = Checksum::Fill { start: 14, offset: 19 };
        let mut train = Train::new(first, whole, differing);
        assert_eq!((bench.driver.transmit_train(&mut train), bench.fault(Fault::Unsendable)), (Ok(()), 7));
    }
}

#[test]
fn payload_stays_held_until_the_device_gives_it_back() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let payload = [bench.chunk(1, 100)];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        drop(payload);
        assert_eq!(bench.transmit_pool.available(), 63);
        let sent = bench.device.take_sent().unwrap();
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 63);
        bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
        bench.device.publish(TRANSMIT);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 64);
    }
}

#[test]
fn a_full_ring_changes_nothing() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let payload = [bench.chunk(1, 100), bench.chunk(2, 100)];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.transmit(&packet(&payload)).unwrap();
        // Six of eight descriptors are taken: three do not fit.
        let before = (bench.driver.statistics(), bench.device.available(TRANSMIT));
        assert_eq!(bench.driver.transmit(&packet(&payload)), Err(Full));
        assert_eq!(bench.driver.transmit(&packet(&payload)), Err(Full));
        assert_eq!((bench.driver.statistics(), bench.device.available(TRANSMIT)), before);
        drop(payload);
        assert_eq!(bench.transmit_pool.available(), 62);
        // What does fit is taken, and what was refused is not sent.
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        let sent = bench.device.send_all();
        assert_eq!(sent.iter().map(|sent| sent.parts.len()).collect::<Vec<_>>(), [3, 3, 1]);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 64);
        bench.driver.transmit(&packet(&[])).unwrap();
    }
}

#[test]
fn indices_wrap() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        for round in 0..rounds(70_000, 20) {
            bench.assert_comes_back(round as u8);
        }
        let statistics = bench.driver.statistics();
        assert_eq!(statistics.faults, [0; Fault::ALL.len()]);
        assert_eq!((statistics.sent, statistics.received), (statistics.received, rounds(70_000, 20) as u64));
        assert_eq!(bench.transmit_pool.available(), 64);
    }
}

#[test]
fn completions_may_come_in_any_order() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        for round in 0..rounds(2_000, 6) {
            for _ in 0..3 {
                bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
            }
            bench.driver.flush();
            assert_eq!(bench.give_back_turned(round), 3);
            assert_eq!(bench.transmit_pool.available(), 64);
        }
    }
}

#[test]
fn a_burst_is_one_doorbell() {
    for offer in rings() {
        let mut bench = Bench::new(Offer { queue_size: 64, ..offer });
        let before = bench.device.notifications(TRANSMIT);
        for _ in 0..32 {
            bench.driver.transmit(&packet(&[])).unwrap();
        }
        assert_eq!(bench.device.notifications(TRANSMIT), before);
        bench.driver.flush();
        bench.driver.flush();
        assert_eq!(bench.device.notifications(TRANSMIT), before + 1);
        let rung = bench.device.notifications(TRANSMIT) + bench.device.notifications(RECEIVE);
        assert_eq!(bench.driver.statistics().kicks, rung);
    }
}

#[test]
fn a_device_that_does_not_ask_is_not_told() {
    for offer in rings().into_iter().filter(|offer| offer.features & feature::EVENT_IDX != 0) {
        let mut bench = Bench::new(offer);
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        bench.device.send_all();
        // It asks to be told of the fourth from now.
        bench.device.ask_at(TRANSMIT, 4);
        let before = bench.device.notifications(TRANSMIT);
        for _ in 0..3 {
            bench.driver.transmit(&packet(&[])).unwrap();
            bench.driver.flush();
        }
        assert_eq!(bench.device.notifications(TRANSMIT), before);
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert_eq!(bench.device.notifications(TRANSMIT), before + 1);
    }
}

#[test]
fn masked_is_silent_and_armed_tells_of_the_next_frame() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        for _ in 0..rounds(70_000, 8) {
            assert!(bench.device.deliver(&[1; 60]));
            bench.driver.receive().unwrap();
            bench.driver.flush();
        }
        assert_eq!(bench.device.interrupts(), []);
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.deliver(&[1; 60]);
        assert_eq!(bench.device.interrupts(), [MESSAGES[0]]);
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Work);
        bench.driver.receive().unwrap();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        assert_eq!(bench.driver.set_interrupts(Interrupts::Masked), Pending::Nothing);
        bench.device.deliver(&[1; 60]);
        assert_eq!(bench.device.interrupts(), []);
        bench.driver.on_interrupts(1);
        assert_eq!(bench.driver.statistics().interrupts, 1);
    }
}

#[test]
fn a_transmit_interrupt_comes_only_when_the_ring_is_short() {
    for offer in rings() {
        let mut bench = Bench::new(Offer { queue_size: 64, ..offer });
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.send_all();
        assert_eq!(bench.device.interrupts(), []);
        bench.driver.flush();
        while bench.driver.transmit(&packet(&[])).is_ok() {}
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.send_all();
        assert_eq!(bench.device.interrupts(), [MESSAGES[1]]);
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Work);
    }
}

#[test]
fn a_ring_that_is_long_again_needs_no_transmit_interrupt() {
    for offer in rings() {
        let mut bench = Bench::new(Offer { queue_size: rounds(64, 16) as u16, ..offer });
        while bench.driver.transmit(&packet(&[])).is_ok() {}
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.device.send_all();
        assert_eq!(bench.device.interrupts(), [MESSAGES[1]]);
        bench.driver.flush();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.device.send_all();
        assert_eq!(bench.device.interrupts(), []);
    }
}

#[test]
fn a_full_ring_takes_back_what_was_sent_before_it_refuses() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        while bench.driver.transmit(&packet(&[])).is_ok() {}
        bench.driver.flush();
        bench.device.send_all();
        bench.driver.transmit(&packet(&[])).unwrap();
    }
}

#[test]
fn what_comes_back_early_is_let_go_and_its_descriptors_wait_for_what_is_older() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        for round in 0..rounds(50, 5) {
            for fill in 0..4 {
                bench.driver.transmit(&packet(&[bench.chunk(fill, 10)])).unwrap();
            }
            bench.driver.flush();
            let mut sent: Vec<_> = core::iter::from_fn(|| bench.device.take_sent()).collect();
            assert_eq!((sent.len(), bench.transmit_pool.available()), (4, 60));
            // The oldest is last.
            sent.rotate_left(1);
            for (sent, back) in sent[..3].iter().zip(1..) {
                bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
                bench.device.publish(TRANSMIT);
                bench.driver.flush();
                assert_eq!(bench.transmit_pool.available(), 60 + back, "round {round}");
            }
            assert_eq!(bench.driver.transmit(&packet(&[])), Err(Full));
            bench.device.complete(TRANSMIT, u32::from(sent[3].head), 0);
            bench.device.publish(TRANSMIT);
            bench.driver.flush();
            assert_eq!(bench.transmit_pool.available(), 64);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn a_frame_over_several_slots_is_several_chunks() {
    for offer in rings() {
        let mut bench = Bench::with_slots(offer, 16, 256);
        let frame: Vec<u8> = (0..1000).map(|byte| byte as u8).collect();
        assert!(bench.device.deliver(&frame));
        let received = bench.driver.receive().unwrap();
        assert_eq!(bytes(&received), frame);
        let lengths: Vec<usize> = received.chunks().iter().map(|chunk| chunk.len()).collect();
        assert_eq!(lengths, [244, 256, 256, 244]);
        drop(received);
        assert_eq!(bench.pool.available(), 12);
        bench.driver.flush();
        assert_eq!(bench.pool.available(), 8);
    }
}

#[test]
fn a_received_frame_lies_in_its_slot() {
    let mut bench = Bench::new(small());
    bench.device.deliver(&[9; 60]);
    let received = bench.driver.receive().unwrap();
    let (start, len) = bench.pool.memory();
    let at = received.front().as_ptr().addr() - start.addr().get();
    assert!(at < len);
    assert_eq!(at % 2048, 12);
    assert_eq!(bench.driver.statistics().received_bytes, 60);
}

#[test]
fn frames_wait_in_the_device_while_the_pool_is_empty() {
    for offer in rings() {
        let mut bench = Bench::with_slots(offer, 4, 2048);
        let mut held: Vec<_> = (0..4)
            .map(|number| {
                assert!(bench.device.deliver(&[number; 60]));
                bench.driver.receive().unwrap()
            })
            .collect();
        bench.driver.flush();
        bench.driver.flush();
        assert!(!bench.device.deliver(&[4; 60]));
        assert_eq!(bench.fault(Fault::NoSlot), 1, "counted when it begins, not with every poll");
        held.pop();
        assert_eq!(bench.driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        assert!(bench.device.deliver(&[4; 60]));
        assert_eq!(bench.device.interrupts(), [MESSAGES[0]]);
        assert_eq!(bytes(&bench.driver.receive().unwrap()), [4; 60]);
    }
}

#[test]
fn a_checksum_is_left_to_the_device_in_its_own_words() {
    let mut bench = Bench::new(small());
    assert_eq!(bench.driver.info().offloads, Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM);
    bench.driver.transmit(&filled(14, 16)).unwrap();
    bench.driver.flush();
    assert_eq!(bench.device.take_sent().unwrap().header, header(1, 0, 14, 16));
}

#[test]
fn what_the_device_says_of_checksums_reaches_the_stack() {
    let mut bench = Bench::new(small());
    for (header, expected) in [
        (header(0, 0, 0, 0), Received::Unchecked),
        (header(2, 0, 0, 0), Received::Checked),
        (header(1, 0, 34, 16), Received::Local { start: 34, offset: 16 }),
    ] {
        assert!(bench.device.deliver_with(header, &[1; 60]));
        assert_eq!(bench.driver.receive().unwrap().checksum, expected);
    }
}

#[test]
fn without_the_features_checksums_are_software_s() {
    let mut bench = Bench::new(without(feature::CSUM | feature::GUEST_CSUM));
    assert_eq!(bench.driver.info().offloads, Offloads::empty());
    bench.driver.transmit(&filled(14, 16)).unwrap();
    assert_eq!((bench.fault(Fault::Unsendable), bench.device.available(TRANSMIT)), (1, 0));
    bench.device.deliver_with(header(2, 0, 0, 0), &[1; 60]);
    assert_eq!(bench.driver.receive().unwrap().checksum, Received::Unchecked);
}

#[test]
fn a_device_without_merged_buffers_works() {
    let mut bench = Bench::new(without(feature::MRG_RXBUF));
    bench.device.deliver(&[1; 1514]);
    assert_eq!(bytes(&bench.driver.receive().unwrap()), [1; 1514]);
}

#[test]
fn what_can_never_be_sent_is_dropped_and_counted() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        let long = [bench.chunk(1, 1500)];
        bench.driver.transmit(&packet(&long)).unwrap();
        let many: Vec<Chunk> = (0..17).map(|_| bench.chunk(1, 1)).collect();
        bench.driver.transmit(&packet(&many)).unwrap();
        // The device cannot reach these bytes.
        bench.driver.transmit(&packet(&[bench.chunk(1, 1), Chunk::from_static(b"elsewhere")])).unwrap();
        // The checksum would be stored behind the headers.
        bench.driver.transmit(&filled(14, 19)).unwrap();
        bench.driver.flush();
        assert_eq!((bench.fault(Fault::Unsendable), bench.device.available(TRANSMIT)), (4, 0));
        drop((long, many));
        assert_eq!(bench.transmit_pool.available(), 64);
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert_eq!(bench.device.available(TRANSMIT), 1);
    }
}

#[test]
fn static_content_is_lent_where_the_device_reaches_it() {
    let mut bench = Bench::new(small());
    bench.memory.share(b"static content");
    bench.driver.transmit(&packet(&[Chunk::from_static(b"static content")])).unwrap();
    bench.driver.flush();
    assert_eq!(bench.device.take_sent().unwrap().frame[34..], *b"static content");
}
