//! Which frames come in.
use lendwire_drivers::model::e1000::register;
use lendwire_nic::{MacAddress, MulticastFilter, Nic, VlanFilter};

use crate::frames::{BROADCAST, OWN, PEER, plain, tagged};
use crate::{Bench, both, every_kind, rounds};

fn group(number: u16) -> [u8; 6] {
    let [high, low] = number.to_be_bytes();
    [0x33, 0x33, 0, 1, high, low]
}

fn comes_in(bench: &mut Bench, to: [u8; 6]) -> bool {
    let is_taken = bench.device.deliver(&plain(to, 64));
    assert_eq!(bench.driver.receive().is_some(), is_taken);
    bench.driver.flush();
    is_taken
}

fn tag_comes_in(bench: &mut Bench, number: u16) -> bool {
    let is_taken = bench.device.deliver(&tagged(&plain(OWN, 64), 0xe000 | number));
    assert_eq!(bench.driver.receive().is_some(), is_taken);
    bench.driver.flush();
    is_taken
}

#[test]
fn the_own_address_broadcast_and_every_group_come_in_at_first() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        assert!(comes_in(&mut bench, OWN));
        assert!(comes_in(&mut bench, BROADCAST));
        assert!((0..rounds(500, 4) as u16).all(|number| comes_in(&mut bench, group(number * 131))));
        assert!((0..8).all(|number| tag_comes_in(&mut bench, number * 511)));
    }
}

#[test]
fn groups_that_were_not_asked_for_stay_out() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.driver.set_multicast(MulticastFilter::Only(&[]));
        assert!((0..rounds(500, 4) as u16).all(|number| !comes_in(&mut bench, group(number * 131))));
        let wanted = [MacAddress(group(1)), MacAddress(group(0x1234))];
        bench.driver.set_multicast(MulticastFilter::Only(&wanted));
        assert!(wanted.iter().all(|group| comes_in(&mut bench, group.0)));
        assert!(!comes_in(&mut bench, group(2)));
        bench.driver.set_multicast(MulticastFilter::Only(&wanted[..1]));
        assert!(comes_in(&mut bench, group(1)) && !comes_in(&mut bench, group(0x1234)));
        bench.driver.set_multicast(MulticastFilter::All);
        assert!(comes_in(&mut bench, group(2)));
        assert!(comes_in(&mut bench, OWN) && comes_in(&mut bench, BROADCAST));
    }
}

#[test]
fn more_groups_than_there_are_addresses_overflow_into_the_table() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        for count in [rounds(300, 17), 16, 15].into_iter().take(rounds(3, 1)) {
            let wanted: Vec<_> = (0..count as u16).map(|number| MacAddress(group(number.wrapping_mul(257)))).collect();
            bench.driver.set_multicast(MulticastFilter::Only(&wanted));
            assert!(wanted.iter().all(|group| comes_in(&mut bench, group.0)), "{count} groups");
            assert!(comes_in(&mut bench, OWN) && comes_in(&mut bench, BROADCAST));
        }
        // Fewer again, and the table is empty again.
        bench.driver.set_multicast(MulticastFilter::Only(&[MacAddress(group(0))]));
        assert!((1..20).all(|number| !comes_in(&mut bench, group(number * 257))));
    }
}

#[test]
fn other_stations_stay_out() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.driver.set_multicast(MulticastFilter::Only(&[]));
        assert!(!comes_in(&mut bench, PEER));
        assert!(!comes_in(&mut bench, [0x52, 0x54, 0, 0x12, 0x34, 0x57]));
    }
}

#[test]
fn networks_that_were_not_asked_for_stay_out() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let wanted = [1, 31, 32, 100, 4094];
        bench.driver.set_vlans(VlanFilter::Only(&wanted));
        assert!(wanted.iter().all(|number| tag_comes_in(&mut bench, *number)));
        assert!([2, 30, 33, 99, 4093].iter().all(|number| !tag_comes_in(&mut bench, *number)));
        assert!(comes_in(&mut bench, OWN), "untagged frames belong to no network");
        assert!(tag_comes_in(&mut bench, 0), "a priority tag names no network");
        bench.driver.set_vlans(VlanFilter::Only(&[5]));
        assert!(tag_comes_in(&mut bench, 5) && !tag_comes_in(&mut bench, 100));
        bench.driver.set_vlans(VlanFilter::All);
        assert!(tag_comes_in(&mut bench, 99));
    }
}

#[test]
fn numbers_that_no_network_has_change_nothing() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.driver.set_vlans(VlanFilter::Only(&[4095, 4096, 0xffff, 7]));
        assert!(tag_comes_in(&mut bench, 7) && !tag_comes_in(&mut bench, 8));
    }
}

#[test]
fn filters_are_changed_without_touching_receive_control() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let control = bench.device.register(register::RCTL);
        bench.driver.set_multicast(MulticastFilter::Only(&[MacAddress(group(9))]));
        bench.driver.set_vlans(VlanFilter::Only(&[9]));
        bench.driver.set_multicast(MulticastFilter::All);
        bench.driver.set_vlans(VlanFilter::All);
        assert_eq!(bench.device.register(register::RCTL), control);
        assert_eq!(bench.device.counts().receive_controls, 1);
    }
}
