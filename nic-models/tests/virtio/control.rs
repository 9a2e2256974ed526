//! What the device is told through its control queue, and what becomes of a device that does not listen.
use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::{ControlManner, Offer, Orders, feature};
use lendwire_drivers::virtio::{Disobeyed, Reception};
use lendwire_nic::{Fault, MacAddress, MulticastFilter, Nic, Offloads, VlanFilter};

use crate::{Bench, kinds, small, with};

const CONTROL: u64 = feature::CTRL_VQ | feature::CTRL_RX | feature::CTRL_VLAN | feature::CTRL_MAC_ADDR;
const ALL: u64 = CONTROL | feature::GUEST_ANNOUNCE | feature::CTRL_GUEST_OFFLOADS;

fn group(number: u8) -> MacAddress {
    MacAddress([1, 0, 0x5e, 0, 0, number])
}

fn obedient() -> Offer {
    with(small(), ALL)
}

#[test]
fn a_device_receives_its_own_frames_and_every_group_before_it_is_told_more() {
    for kind in kinds() {
        let bench = Bench::of(kind.with(ALL));
        let orders = bench.device.orders();
        assert_eq!((orders.promiscuous, orders.all_multicast), (false, true));
        assert_eq!((orders.vlans, orders.commands), (vec![], 2));
        let rung: u64 = (0..3).map(|queue| bench.device.notifications(queue)).sum();
        assert_eq!(bench.driver.statistics().kicks, rung);
        bench.assert_returns_everything();
    }
}

#[test]
fn groups_are_a_table() {
    for kind in kinds() {
        let mut bench = Bench::of(kind.with(ALL));
        bench.driver.set_multicast(MulticastFilter::Only(&[group(1), group(2)]));
        let orders = bench.device.orders();
        assert_eq!((orders.all_multicast, orders.unicast), (false, vec![]));
        assert_eq!(orders.multicast, [group(1).0, group(2).0]);
        bench.driver.set_multicast(MulticastFilter::All);
        assert!(bench.device.orders().all_multicast);
        bench.driver.set_multicast(MulticastFilter::Only(&[]));
        assert_eq!((bench.device.orders().all_multicast, bench.device.orders().multicast), (false, vec![]));
        assert_eq!(bench.fault(Fault::Unheard), 0);
        bench.assert_passes();
    }
}

#[test]
fn more_groups_than_a_table_holds_are_all_groups() {
    let mut bench = Bench::new(obedient());
    let many: Vec<_> = (0..65).map(group).collect();
    bench.driver.set_multicast(MulticastFilter::Only(&many[..64]));
    assert_eq!((bench.device.orders().multicast.len(), bench.device.orders().all_multicast), (64, false));
    bench.driver.set_multicast(MulticastFilter::Only(&many));
    assert!(bench.device.orders().all_multicast);
}

#[test]
fn vlans_are_added_and_removed_one_by_one() {
    let mut bench = Bench::new(obedient());
    bench.driver.set_vlans(VlanFilter::Only(&[1, 4094, 7, 4095, 9999]));
    assert_eq!(bench.device.orders().vlans, [1, 7, 4094]);
    let before = bench.device.orders().commands;
    bench.driver.set_vlans(VlanFilter::Only(&[7, 8]));
    assert_eq!((bench.device.orders().vlans, bench.device.orders().commands), (vec![7, 8], before + 3));
    if !cfg!(miri) {
        bench.driver.set_vlans(VlanFilter::All);
        assert_eq!(bench.device.orders().vlans.len(), 4095);
    }
    assert_eq!(bench.fault(Fault::Unheard), 0);
}

#[test]
fn an_address_is_given_and_shown() {
    let mut bench = Bench::new(obedient());
    let address = MacAddress([2, 0, 0, 0, 0, 7]);
    bench.driver.set_address(address).unwrap();
    assert_eq!((bench.device.orders().address, bench.driver.info().address), (Some(address.0), address));
    // A device that cannot be told keeps its own.
    let mut bench = Bench::new(with(small(), ALL & !feature::CTRL_MAC_ADDR));
    assert_eq!(bench.driver.set_address(address), Err(Disobeyed));
    assert_ne!(bench.driver.info().address, address);
}

#[test]
fn a_promiscuous_device_is_one_until_it_is_told_otherwise() {
    let mut bench = Bench::new(obedient());
    bench.driver.set_reception(Reception::Everything).unwrap();
    assert!(bench.device.orders().promiscuous);
    bench.driver.set_reception(Reception::Own).unwrap();
    assert!(!bench.device.orders().promiscuous);
}

#[test]
fn offloads_of_received_frames_are_switched_while_it_runs() {
    let large = feature::GUEST_TSO4 | feature::GUEST_TSO6;
    let offer = Offer { queue_size: 64, ..with(obedient(), large) };
    let mut bench = Bench::with_slots(offer, 64, 2048);
    assert_eq!(bench.device.accepted_features() & large, large);
    bench.driver.set_receive_offloads(Offloads::RX_CHECKSUM).unwrap();
    assert_eq!(bench.device.orders().guest_offloads, Some(feature::GUEST_CSUM));
    bench.driver.set_receive_offloads(Offloads::RX_COALESCE).unwrap();
    assert_eq!(bench.device.orders().guest_offloads, Some(0), "a large frame's checksum is never complete");
    bench.driver.set_receive_offloads(Offloads::RX_CHECKSUM | Offloads::RX_COALESCE).unwrap();
    assert_eq!(bench.device.orders().guest_offloads, Some(feature::GUEST_CSUM | large));
}

#[test]
fn a_request_to_announce_is_passed_on_once_and_acknowledged() {
    for kind in kinds() {
        let mut bench = Bench::of(kind.with(ALL));
        bench.device.ask_for_announcement();
        assert_eq!(bench.driver.on_configuration_change(), Events::ANNOUNCE);
        assert_eq!(bench.device.orders().announced, 1);
        assert_eq!(bench.driver.on_configuration_change(), Events::empty());
        bench.device.ask_for_announcement();
        assert_eq!(bench.driver.on_configuration_change(), Events::ANNOUNCE);
    }
}

#[test]
fn a_device_without_a_control_queue_passes_more_than_asked() {
    let mut bench = Bench::new(with(small(), ALL & !feature::CTRL_VQ));
    assert_eq!(bench.device.accepted_features() & ALL, 0, "what needs the queue is not accepted without it");
    bench.driver.set_multicast(MulticastFilter::Only(&[group(1)]));
    bench.driver.set_vlans(VlanFilter::Only(&[7]));
    assert_eq!(bench.driver.set_reception(Reception::Everything), Err(Disobeyed));
    assert_eq!((bench.device.orders(), bench.fault(Fault::Unheard)), (Orders::default(), 0));
    bench.assert_passes();
}

#[test]
fn a_device_that_refuses_is_counted_and_goes_on() {
    for manner in [ControlManner::Refuses, ControlManner::Garbles] {
        for kind in kinds() {
            let mut bench = Bench::of(kind.with(ALL).manner(manner));
            let before = bench.fault(Fault::Unheard);
            assert_eq!(bench.driver.set_reception(Reception::Everything), Err(Disobeyed));
            assert_eq!(bench.fault(Fault::Unheard), before + 1);
            bench.device.change(|offer| offer.control = ControlManner::Obeys);
            bench.driver.set_reception(Reception::Everything).unwrap();
            bench.assert_passes();
            bench.assert_returns_everything();
        }
    }
}

#[test]
fn a_device_that_never_answers_is_waited_for_once() {
    for kind in kinds() {
        let mut bench = Bench::of(kind.with(ALL).manner(ControlManner::Silent));
        assert_eq!(bench.fault(Fault::Unheard), 1);
        let before = bench.device.accesses();
        // It would answer now, but its answer could be that to the first command.
        bench.device.change(|offer| offer.control = ControlManner::Obeys);
        bench.driver.set_multicast(MulticastFilter::Only(&[group(1)]));
        assert_eq!(bench.driver.set_reception(Reception::Everything), Err(Disobeyed));
        assert_eq!((bench.device.accesses(), bench.fault(Fault::Unheard)), (before, 1));
        bench.device.ask_for_announcement();
        assert_eq!(bench.driver.on_configuration_change(), Events::ANNOUNCE);
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn an_answer_to_what_was_not_asked_ends_the_asking() {
    for kind in kinds() {
        let mut bench = Bench::of(kind.with(ALL).manner(ControlManner::Misnumbers));
        assert_eq!((bench.fault(Fault::BadIndex), bench.driver.statistics().recoveries), (1, 0));
        assert_eq!(bench.driver.set_reception(Reception::Everything), Err(Disobeyed));
        bench.assert_passes();
        bench.assert_returns_everything();
    }
}

#[test]
fn a_device_that_gives_up_or_goes_while_it_is_asked_is_not_waited_for() {
    let leave: [fn(&Bench); 2] = [|bench| bench.device.need_reset(), |bench| bench.device.unplug()];
    for leave in leave {
        let mut bench = Bench::new(obedient());
        bench.device.change(|offer| offer.control = ControlManner::Silent);
        leave(&bench);
        let before = bench.device.accesses();
        assert_eq!(bench.driver.set_reception(Reception::Everything), Err(Disobeyed));
        // The doorbell, and one look.
        assert_eq!(bench.device.accesses() - before, 2);
    }
}
