//! The cache alone, without packets.

extern crate std;
use std::vec::Vec;

use super::*;

const TIMING: Timing = Timing { reachable: Span::from_secs(30), retransmission: Span::from_secs(1) };
const ANSWER: Advertisement = Advertisement { mac: Some(mac(9)), solicited: true, overriding: true, router: None };

const fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4(core::net::Ipv4Addr::from_bits(0xc000_0200 + number))
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(1_000_000 * (100 + seconds))
}

fn eth(index: usize) -> InterfaceId {
    InterfaceId::new(index).unwrap()
}

fn cache<'s>(slots: &'s mut [NeighbourSlot]) -> Neighbours<'s> {
    Neighbours::new(slots, b"sixteen secrets.")
}

fn slots<const N: usize>() -> [NeighbourSlot; N] {
    [const { NeighbourSlot::EMPTY }; N]
}

/// Asks for an address and answers at once.
fn learn(cache: &mut Neighbours<'_>, number: u32, now: Instant) {
    cache.ask(eth(0), address(number), TIMING, now).expect("a place is free");
    assert_eq!(cache.on_advertisement(eth(0), address(number), ANSWER, TIMING, now), Heard::Noted);
}

#[test]
fn who_was_sent_to_lately_is_not_pushed_out() {
    let mut slots = slots::<2>();
    let mut cache = cache(&mut slots);
    learn(&mut cache, 1, at(0));
    learn(&mut cache, 2, at(0));
    assert_eq!(cache.ask(eth(0), address(3), TIMING, at(9)), None);
    assert_eq!(cache.resolve(eth(0), address(1), at(9)), Resolution::Known(mac(9)));
    assert!(cache.ask(eth(0), address(3), TIMING, at(10)).is_some());
    assert_eq!(cache.resolve(eth(0), address(1), at(10)), Resolution::Known(mac(9)));
    assert_eq!(cache.resolve(eth(0), address(2), at(10)), Resolution::Unknown, "the least recently used went");
}

#[test]
fn who_found_the_table_full_is_woken_to_try_again() {
    let mut slots = slots::<1>();
    let mut cache = cache(&mut slots);
    learn(&mut cache, 1, at(0));
    cache.take_resolved();
    assert_eq!(cache.ask(eth(0), address(3), TIMING, at(5)), None);
    let deadline = cache.next_deadline().expect("somebody waits");
    while cache.next_question(deadline).is_some() {}
    assert!(cache.take_resolved());
}

#[test]
fn who_only_speaks_to_us_pushes_out_nobody_we_speak_to() {
    let mut slots = slots::<4>();
    let mut cache = cache(&mut slots);
    (0..3).for_each(|number| learn(&mut cache, number, at(0)));
    (10..1000).for_each(|number| cache.on_mention(eth(0), address(number), mac(7), TIMING, at(1)));
    for number in 0..3 {
        assert_eq!(cache.resolve(eth(0), address(number), at(1)), Resolution::Known(mac(9)));
    }
    assert_eq!(cache.resolve(eth(0), address(999), at(1)), Resolution::Known(mac(7)), "the last one has a place");
}

#[test]
fn a_question_in_vain_gives_its_place_up_before_anybody_known() {
    let mut slots = slots::<2>();
    let mut cache = cache(&mut slots);
    learn(&mut cache, 1, at(0));
    assert!(cache.ask(eth(0), address(2), TIMING, at(0)).is_some());
    assert!(cache.ask(eth(0), address(3), TIMING, at(0)).is_some());
    assert_eq!(cache.resolve(eth(0), address(1), at(0)), Resolution::Known(mac(9)));
}

#[test]
fn the_same_address_on_two_links_is_two_neighbours() {
    let mut slots = slots::<4>();
    let mut cache = cache(&mut slots);
    learn(&mut cache, 1, at(0));
    assert_eq!(cache.resolve(eth(1), address(1), at(0)), Resolution::Unknown);
}

#[test]
fn rfc4861_a_reachable_neighbour_is_stale_after_its_time_and_costs_no_timer() {
    let mut slots = slots::<4>();
    let mut cache = cache(&mut slots);
    learn(&mut cache, 1, at(0));
    while cache.next_question(at(1)).is_some() {}
    assert_eq!(cache.next_deadline(), None);
    assert_eq!(cache.resolve(eth(0), address(1), at(29)), Resolution::Known(mac(9)));
    assert_eq!(cache.next_deadline(), None);
    assert_eq!(cache.resolve(eth(0), address(1), at(30)), Resolution::Known(mac(9)));
    assert_eq!(cache.next_deadline(), Some(at(35)), "five seconds for a transport to confirm it");
    let alone = Solicit { interface: eth(0), address: address(1), to: Some(mac(9)) };
    assert_eq!(cache.next_question(at(35)), Some(alone));
}

#[test]
fn a_full_table_finds_everybody_and_forgets_who_went() {
    let mut slots = slots::<64>();
    let mut cache = cache(&mut slots);
    for round in 0..10u32 {
        let now = at(u64::from(round) * 60);
        let members: Vec<u32> = (0..64).map(|number| 64 * round + number).collect();
        members.iter().for_each(|&number| learn(&mut cache, number, now));
        for &number in &members {
            assert_eq!(cache.resolve(eth(0), address(number), now), Resolution::Known(mac(9)));
        }
        if round > 0 {
            assert_eq!(cache.resolve(eth(0), address(64 * round - 1), now), Resolution::Unknown);
        }
    }
}

#[test]
fn a_cache_without_places_knows_nobody() {
    let mut cache = cache(&mut []);
    assert_eq!(cache.resolve(eth(0), address(1), at(0)), Resolution::Unknown);
    assert_eq!(cache.ask(eth(0), address(1), TIMING, at(0)), None);
}
