//! A device that gives up: it is started anew, told again what it was told, and given up where that does not help.
use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::{ControlManner, Offer, RECEIVE, TRANSMIT, feature};
use lendwire_drivers::virtio::Reception;
use lendwire_nic::{Fault, Link, MacAddress, MulticastFilter, Nic, VlanFilter};

use crate::{Bench, packet, rings, rounds, small, with};

#[test]
fn a_device_that_needs_a_reset_gets_one() {
    for offer in rings() {
        let mut bench = Bench::new(offer);
        bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
        bench.driver.flush();
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
        assert_eq!(bench.driver.link(), Link::Up);
        assert_eq!(bench.device.status(), 1 | 2 | 4 | 8);
        // What was in flight is dropped.
        assert_eq!((bench.transmit_pool.available(), bench.driver.statistics().recoveries), (64, 1));
        assert_eq!(bench.driver.on_configuration_change(), Events::empty());
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn a_device_that_needs_a_reset_again_and_again_is_given_up() {
    let mut bench = Bench::new(small());
    for _ in 0..8 {
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
    }
    bench.device.need_reset();
    assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
    bench.assert_broken();
}

#[test]
fn a_good_frame_between_two_resets_makes_up_for_them() {
    let mut bench = Bench::new(small());
    // More than it may need in a row.
    let count = rounds(20, 10);
    for _ in 0..count {
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
        bench.assert_passes();
    }
    assert_eq!(bench.driver.statistics().recoveries, count as u64);
}

#[test]
fn a_device_that_is_another_one_after_its_reset_is_given_up() {
    let changes: [fn(&mut Offer); 5] = [
        |offer| offer.features &= !feature::MRG_RXBUF,
        |offer| offer.refuses_features = true,
        |offer| offer.queue_size = 4,
        |offer| offer.never_settles = true,
        |offer| offer.notify_offset = Some(0xfff0),
    ];
    for change in changes {
        let mut bench = Bench::new(small());
        bench.device.change(change);
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
        bench.assert_broken();
    }
}

#[test]
fn a_device_that_does_not_reset_keeps_what_it_holds() {
    let mut bench = Bench::new(small());
    bench.device.change(|offer| offer.ignores_reset = true);
    bench.device.need_reset();
    assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
    assert_eq!((bench.fault(Fault::Broken), bench.pool.available()), (1, 8));
    bench.driver.quiesce().unwrap_err();
    assert_eq!((bench.pool.available(), bench.memory.taken()), (8, 1));
}

#[test]
fn a_device_that_was_unplugged_is_reported_once() {
    let mut bench = Bench::new(small());
    bench.device.unplug();
    bench.driver.transmit(&packet(&[])).unwrap();
    bench.driver.flush();
    assert!(bench.driver.receive().is_none());
    let before = bench.device.accesses();
    assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
    assert!(bench.device.accesses() - before < 10);
    assert_eq!(bench.driver.on_configuration_change(), Events::empty());
    assert_eq!((bench.fault(Fault::Broken), bench.driver.statistics().recoveries), (1, 0));
}

#[test]
fn a_ring_that_stays_full_makes_the_driver_look_whether_the_device_is_there() {
    let mut bench = Bench::new(small());
    bench.device.unplug();
    let refused = (0..1000).filter(|_| bench.driver.transmit(&packet(&[])).is_err()).count();
    assert_eq!(refused, 256);
    assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
}

#[test]
fn a_queue_that_lied_is_reset_alone_where_that_was_agreed_on() {
    for offer in rings() {
        for queue in [RECEIVE, TRANSMIT] {
            let mut bench = Bench::new(with(offer.clone(), feature::RING_RESET));
            bench.driver.transmit(&packet(&[bench.chunk(1, 10)])).unwrap();
            bench.driver.flush();
            let sent = bench.device.take_sent().unwrap();
            bench.device.complete(queue, 0xffff, 64);
            bench.device.publish(queue);
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
            assert_eq!((bench.fault(Fault::BadIndex), bench.driver.statistics().recoveries), (1, 1));
            if queue == RECEIVE {
                // The other queue went on.
                assert_eq!(bench.transmit_pool.available(), 63);
                bench.device.complete(TRANSMIT, u32::from(sent.head), 0);
                bench.device.publish(TRANSMIT);
            }
            bench.driver.flush();
            assert_eq!(bench.transmit_pool.available(), 64);
            bench.assert_passes();
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn a_queue_that_does_not_reset_alone_resets_the_device() {
    let mut bench = Bench::new(with(Offer { ignores_queue_reset: true, ..small() }, feature::RING_RESET));
    bench.device.complete(RECEIVE, 0xffff, 64);
    bench.device.publish(RECEIVE);
    assert!(bench.driver.receive().is_none());
    bench.assert_restarted(Fault::BadIndex);
}

#[test]
fn a_queue_that_lies_again_and_again_is_given_up_with_its_device() {
    for features in [0, feature::RING_RESET] {
        let mut bench = Bench::new(with(small(), features));
        for _ in 0..9 {
            assert_eq!(bench.fault(Fault::Broken), 0);
            bench.device.complete(RECEIVE, 0xffff, 64);
            bench.device.publish(RECEIVE);
            assert!(bench.driver.receive().is_none());
        }
        assert_eq!((bench.fault(Fault::BadIndex), bench.driver.statistics().recoveries), (9, 8));
        bench.assert_broken();
    }
}

#[test]
fn what_a_device_was_told_it_is_told_again() {
    let control = feature::CTRL_VQ | feature::CTRL_RX | feature::CTRL_VLAN | feature::CTRL_MAC_ADDR;
    let mut bench = Bench::new(with(small(), control));
    let group = MacAddress([1, 0, 0x5e, 0, 0, 1]);
    bench.driver.set_multicast(MulticastFilter::Only(&[group]));
    bench.driver.set_vlans(VlanFilter::Only(&[7, 9]));
    bench.driver.set_address(MacAddress([2, 0, 0, 0, 0, 9])).unwrap();
    bench.driver.set_reception(Reception::Everything).unwrap();
    let before = bench.device.orders();
    bench.device.need_reset();
    assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
    let mut after = bench.device.orders();
    after.commands = before.commands;
    assert_eq!(after, before);
    assert_eq!(bench.driver.info().address, MacAddress([2, 0, 0, 0, 0, 9]));
}

#[test]
fn a_control_queue_that_was_given_up_stays_so() {
    let features = feature::CTRL_VQ | feature::CTRL_RX;
    let mut bench = Bench::new(with(Offer { control: ControlManner::Silent, ..small() }, features));
    assert_eq!(bench.fault(Fault::Unheard), 1);
    bench.device.need_reset();
    let before = bench.device.accesses();
    assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
    assert!(bench.device.accesses() - before < 200, "it is not waited for again");
    bench.assert_passes();
    bench.assert_returns_everything();
}

#[test]
fn a_kernel_may_have_the_device_started_anew() {
    let mut bench = Bench::new(small());
    assert!(bench.driver.restart());
    assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
    bench.assert_passes();
    bench.driver.quiesce().unwrap();
    assert!(!bench.driver.restart());
}

#[test]
fn an_mtu_may_shrink_over_a_reset_and_never_grows() {
    for shared in [true, false] {
        let offer = Offer { mtu: 1400, ..with(small(), feature::MTU) };
        // Without the pools in its reach, what the device works on was set aside for frames of the first length.
        let mut bench = if shared { Bench::new(offer) } else { Bench::out_of_reach(offer, 16) };
        for (mtu, seen) in [(1300, 1300), (1500, 1300), (9000, 1300), (68, 68)] {
            bench.device.change(|offer| offer.mtu = mtu);
            bench.device.need_reset();
            assert_eq!(bench.driver.on_configuration_change(), Events::RESTARTED);
            assert_eq!(bench.driver.info().mtu, seen);
            let payload = [bench.chunk(1, usize::from(seen) - 20)];
            bench.driver.transmit(&packet(&payload)).unwrap();
            bench.driver.flush();
            assert_eq!(bench.device.send_all()[0].frame.len(), usize::from(seen) + 14);
        }
        bench.device.change(|offer| offer.mtu = 67);
        bench.device.need_reset();
        assert_eq!(bench.driver.on_configuration_change(), Events::LINK | Events::BROKEN);
        bench.assert_broken();
    }
}
