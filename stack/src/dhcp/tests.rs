//! The client against a server made of bytes.

extern crate std;

use core::net::IpAddr;
use std::vec;
use std::vec::Vec;

use lendwire_nic::Offloads;

use super::*;
use crate::ip::harness::{self, Host, MAC, OTHER_MAC, assert_sound};
use crate::ip::{Arrived, InterfaceConfig};
use crate::wire::dhcpv4::{BROADCAST, HEADER_LEN as FIXED, Header as Fixed};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const LEASED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

struct Client {
    host: Host,
    dhcp: Dhcp,
}

impl Client {
    fn new() -> Self {
        let host = Host::bare(InterfaceConfig { autoconfigure: false, loopback: false }, Offloads::empty());
        let dhcp = Dhcp::new(host.id(), MAC, harness::SECRET, host.pool, host.now);
        Self { host, dhcp }
    }

    /// A client with a lease of 1000 seconds.
    fn bound() -> Self {
        let mut client = Self::new();
        let discover = client.sent().unwrap();
        client.receive(&answer(&discover, 2, LEASED, &options(1000)));
        let request = client.sent().unwrap();
        client.receive(&answer(&request, 5, LEASED, &options(1000)));
        assert!(client.dhcp.lease().is_some());
        client.host.transmit();
        client
    }

    /// The DHCP message that goes out now: what UDP carries.
    fn sent(&mut self) -> Option<Vec<u8>> {
        self.frame().map(|frame| frame[42..].to_vec())
    }

    fn frame(&mut self) -> Option<Vec<u8>> {
        let Host { ip, wire, now, work, .. } = &mut self.host;
        self.dhcp.transmit(&mut [wire], ip, *now, work);
        let frame = self.host.take_sent().into_iter().find(|frame| frame[12..14] == [8, 0])?;
        assert_sound(&frame);
        Some(frame)
    }

    fn receive(&mut self, message: &[u8]) {
        let to = if message[16..20] == LEASED.octets() && self.dhcp.lease().is_some() {
            LEASED
        } else {
            Ipv4Addr::BROADCAST
        };
        let datagram = harness::udp((SERVER.into(), 67), (to.into(), 68), message);
        let Arrived::Udp(datagram) = self.host.receive(&harness::ipv4(SERVER, to, Protocol::UDP, &datagram)) else {
            panic!("not UDP")
        };
        assert!(self.dhcp.wants(&datagram));
        self.dhcp.receive(datagram, &mut self.host.ip, self.host.now, &mut self.host.work);
    }

    #[track_caller]
    fn drops(&mut self, message: &[u8]) -> Reason {
        let before = self.host.ip.drops.clone();
        self.receive(message);
        self.host.reason_since(&before)
    }

    fn pass(&mut self, span: Span) {
        let end = self.host.now + span;
        while let Some(next) = self.dhcp.next_deadline().filter(|&next| next <= end) {
            let step = next.since(self.host.now);
            self.host.pass(step);
            self.dhcp.on_deadline(&mut self.host.ip, self.host.now);
            if self.dhcp.has_output() {
                return;
            }
        }
        self.host.pass(end.since(self.host.now));
    }

    fn address(&self) -> Option<Cidr> {
        self.host.ip.addresses(self.host.id()).next().map(|(cidr, _)| cidr)
    }
}

fn options(seconds: u32) -> Vec<(u8, Vec<u8>)> {
    vec![
        (option::SUBNET_MASK, vec![255, 255, 255, 0]),
        (option::ROUTERS, SERVER.octets().to_vec()),
        (option::NAME_SERVERS, vec![9, 9, 9, 9, 8, 8, 8, 8]),
        (option::LEASE_TIME, seconds.to_be_bytes().to_vec()),
        (option::SERVER, SERVER.octets().to_vec()),
    ]
}

fn without(number: u8) -> Vec<(u8, Vec<u8>)> {
    options(1000).into_iter().filter(|(kind, _)| *kind != number).collect()
}

/// The server's answer to a client's message.
fn answer(to: &[u8], kind: u8, yours: Ipv4Addr, options: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut message = to[..FIXED].to_vec();
    message[0] = REPLY;
    message[16..20].copy_from_slice(&yours.octets());
    message.extend_from_slice(&[option::MESSAGE_KIND, 1, kind]);
    for (number, data) in options {
        message.extend_from_slice(&[*number, data.len() as u8]);
        message.extend_from_slice(data);
    }
    message.push(option::END);
    message
}

fn transaction(message: &[u8]) -> u32 {
    Message::parse(message).unwrap().header.transaction.get()
}

#[test]
fn rfc2131_four_messages_lead_to_an_address_a_route_and_name_servers() {
    let mut client = Client::new();
    let frame = client.frame().expect("the first message leaves at once");
    assert_eq!((&frame[..6], &frame[26..34]), (&[0xff; 6][..], &[0, 0, 0, 0, 255, 255, 255, 255][..]));
    assert_eq!(frame[34..38], [0, 68, 0, 67]);
    let discover = Message::parse(&frame[42..]).unwrap();
    assert_eq!((discover.kind(), discover.header.flags.get()), (Some(Kind::Discover), BROADCAST));
    assert_eq!(discover.option(option::CLIENT), Some(&[1, 2, 0, 0, 0, 0, 1][..]));
    assert!(frame.len() >= 42 + 300);

    client.receive(&answer(&frame[42..], 2, LEASED, &options(1000)));
    let sent = client.sent().expect("the offer is taken at once");
    let request = Message::parse(&sent).unwrap();
    assert_eq!(request.kind(), Some(Kind::Request));
    assert_eq!(request.address(option::REQUESTED_ADDRESS), Some(LEASED));
    assert_eq!(request.address(option::SERVER), Some(SERVER));
    assert_eq!(transaction(&sent), transaction(&frame[42..]));

    client.receive(&answer(&sent, 5, LEASED, &options(1000)));
    assert_eq!(client.address(), Some(Cidr::new(LEASED.into(), 24).unwrap()));
    assert_eq!(client.host.ip.route(FAR, None).unwrap().next_hop, IpAddr::V4(SERVER));
    let lease = client.dhcp.lease().unwrap();
    assert_eq!(lease.name_servers().collect::<Vec<_>>(), [Ipv4Addr::from([9; 4]), Ipv4Addr::from([8; 4])]);
    assert_eq!((lease.router(), lease.server()), (Some(SERVER), SERVER));
    assert_eq!(lease.ends_at(), Some(client.host.now + Span::from_secs(1000)));
    let announced = client.host.transmit();
    assert_eq!((announced.len(), &announced[0][28..32]), (1, &LEASED.octets()[..]), "RFC 5227 §2.3");
    assert!(client.sent().is_none());
}

#[test]
fn rfc2131_messages_are_repeated_after_growing_times() {
    let mut client = Client::new();
    assert!(client.sent().is_some());
    for seconds in [4u64, 8, 16, 32, 64, 64] {
        let start = client.host.now;
        client.pass(Span::from_secs(100));
        let waited = client.host.now.since(start).micros();
        assert!((seconds * 1_000_000).abs_diff(waited) <= 1_000_000, "{seconds}: {waited}");
        assert!(client.sent().is_some());
    }
}

#[test]
fn rfc2131_an_offer_that_is_not_honoured_is_given_up() {
    let mut client = Client::new();
    let discover = client.sent().unwrap();
    client.receive(&answer(&discover, 2, LEASED, &options(1000)));
    for _ in 0..4 {
        assert_eq!(Message::parse(&client.sent().unwrap()).unwrap().kind(), Some(Kind::Request));
        client.pass(Span::from_secs(100));
    }
    let again = client.sent().unwrap();
    assert_eq!(Message::parse(&again).unwrap().kind(), Some(Kind::Discover));
    assert_ne!(transaction(&again), transaction(&discover));
}

#[test]
fn rfc2131_a_refusal_starts_over() {
    let mut client = Client::new();
    let discover = client.sent().unwrap();
    client.receive(&answer(&discover, 2, LEASED, &options(1000)));
    let request = client.sent().unwrap();
    client.receive(&answer(&request, 6, Ipv4Addr::UNSPECIFIED, &[(option::SERVER, SERVER.octets().to_vec())]));
    assert_eq!(Message::parse(&client.sent().unwrap()).unwrap().kind(), Some(Kind::Discover));
}

#[test]
fn rfc2131_the_server_is_asked_alone_at_half_the_lease_and_everybody_at_seven_eighths() {
    let mut client = Client::bound();
    let start = client.host.now;
    client.pass(Span::from_secs(2000));
    assert_eq!(client.host.now.since(start), Span::from_secs(500));
    assert!(client.frame().is_none(), "the server's hardware address is asked for first");
    let reply = crate::wire::arp::Packet::reply(harness::PEER_MAC, SERVER, MAC, LEASED);
    client.host.receive(&harness::arp(MAC, reply));
    client.pass(Span::from_secs(2));
    let frame = client.frame().unwrap();
    assert_eq!((&frame[26..30], &frame[30..34]), (&LEASED.octets()[..], &SERVER.octets()[..]));
    let renewal = Message::parse(&frame[42..]).unwrap();
    assert_eq!(
        (renewal.kind(), renewal.header.client, renewal.header.flags.get()),
        (Some(Kind::Request), LEASED.octets(), 0)
    );
    assert_eq!((renewal.option(option::REQUESTED_ADDRESS), renewal.option(option::SERVER)), (None, None));

    let mut waits = Vec::new();
    let rebinding = loop {
        client.pass(Span::from_secs(2000));
        waits.push(client.host.now.since(start).micros() / 1_000_000);
        client.host.receive(&harness::arp(MAC, reply));
        let frame = client.frame().unwrap();
        if frame[30..34] == [255; 4] {
            break frame;
        }
    };
    assert_eq!(waits, [688, 781, 841, 875], "half of what is left, but a minute at least");
    client.receive(&answer(&rebinding[42..], 5, LEASED, &options(1000)));
    let end = client.dhcp.lease().unwrap().ends_at().unwrap();
    assert_eq!(end.since(start), Span::from_secs(1875));
    assert_eq!(client.address().unwrap().address(), IpAddr::V4(LEASED));
}

#[test]
fn rfc2131_a_lease_that_is_not_renewed_ends_with_its_address_and_route() {
    let mut client = Client::bound();
    let start = client.host.now;
    while client.dhcp.lease().is_some() {
        client.pass(Span::from_secs(2000));
        client.host.wire.room = 0;
        client.frame();
        assert!(client.host.now.since(start) <= Span::from_secs(1000));
    }
    assert_eq!(client.host.now.since(start), Span::from_secs(1000));
    assert_eq!(client.address(), None);
    let other = Cidr::new([192, 0, 2, 60].into(), 24).unwrap();
    client.host.ip.add_address(client.host.id(), other, client.host.now).unwrap();
    assert!(client.host.ip.route(FAR, None).is_err(), "the route went with the lease");
    client.host.wire.room = 10;
    client.host.transmit();
    assert_eq!(Message::parse(&client.sent().unwrap()).unwrap().kind(), Some(Kind::Discover));
}

#[test]
fn rfc2131_a_renewal_may_bring_another_address() {
    let mut client = Client::bound();
    client.pass(Span::from_secs(2000));
    let reply = crate::wire::arp::Packet::reply(harness::PEER_MAC, SERVER, MAC, LEASED);
    client.frame();
    client.host.receive(&harness::arp(MAC, reply));
    client.pass(Span::from_secs(2));
    let renewal = client.sent().unwrap();
    let moved = Ipv4Addr::new(192, 0, 2, 51);
    client.receive(&answer(&renewal, 5, moved, &options(1000)));
    assert_eq!(client.address().unwrap().address(), IpAddr::V4(moved));
    assert_eq!(client.host.ip.addresses(client.host.id()).count(), 1);
    assert_eq!(client.host.ip.route(FAR, None).unwrap().source, IpAddr::V4(moved));
}

#[test]
fn rfc2131_a_refused_renewal_takes_the_address_away() {
    let mut client = Client::bound();
    client.pass(Span::from_secs(2000));
    client.frame();
    let reply = crate::wire::arp::Packet::reply(harness::PEER_MAC, SERVER, MAC, LEASED);
    client.host.receive(&harness::arp(MAC, reply));
    client.pass(Span::from_secs(2));
    let renewal = client.sent().unwrap();
    client.receive(&answer(&renewal, 6, Ipv4Addr::UNSPECIFIED, &options(1000)));
    assert_eq!((client.address(), client.dhcp.lease()), (None, None));
}

#[test]
fn rfc2131_an_answer_that_is_not_ours_or_not_whole_has_its_reason() {
    let whole = |edit: fn(&mut Vec<u8>)| {
        let mut client = Client::new();
        let discover = client.sent().unwrap();
        let mut offer = answer(&discover, 2, LEASED, &options(1000));
        edit(&mut offer);
        let reason = client.drops(&offer);
        assert!(!client.dhcp.has_output(), "nothing is requested");
        reason
    };
    assert_eq!(whole(|offer| offer[0] = 1), Reason::DhcpUnexpected);
    assert_eq!(whole(|offer| offer[4] ^= 1), Reason::DhcpUnexpected);
    assert_eq!(whole(|offer| offer[28..34].copy_from_slice(&OTHER_MAC.0)), Reason::DhcpUnexpected);
    assert_eq!(whole(|offer| offer[242] = 5), Reason::DhcpUnexpected);
    assert_eq!(whole(|offer| offer[242] = 99), Reason::DhcpMalformed);
    assert_eq!(whole(|offer| offer[1] = 6), Reason::DhcpMalformed);
    assert_eq!(whole(|offer| offer[239] = 0), Reason::DhcpMalformed);
    assert_eq!(whole(|offer| offer.truncate(239)), Reason::DhcpMalformed);
    assert_eq!(whole(|offer| offer.truncate(FIXED + 5)), Reason::DhcpMalformed);
    assert_eq!(whole(|offer| offer[16..20].fill(0)), Reason::DhcpLease);
    assert_eq!(whole(|offer| offer[16..20].fill(255)), Reason::DhcpLease);
}

#[test]
fn rfc2131_a_lease_needs_a_time_a_server_and_a_mask_without_holes() {
    let mut no_time = options(0);
    let holes = vec![(option::SUBNET_MASK, vec![255, 0, 255, 0]), (option::LEASE_TIME, vec![0, 0, 1, 0])];
    for bad in [without(option::LEASE_TIME), without(option::SERVER), core::mem::take(&mut no_time), holes] {
        let mut client = Client::new();
        let discover = client.sent().unwrap();
        client.receive(&answer(&discover, 2, LEASED, &options(1000)));
        let request = client.sent().unwrap();
        assert_eq!(client.drops(&answer(&request, 5, LEASED, &bad)), Reason::DhcpLease);
        assert_eq!(client.address(), None);
    }
}

#[test]
fn rfc2131_another_servers_consent_is_not_the_chosen_ones() {
    let mut client = Client::new();
    let discover = client.sent().unwrap();
    client.receive(&answer(&discover, 2, LEASED, &options(1000)));
    let request = client.sent().unwrap();
    let mut other = options(1000);
    other[4].1 = vec![192, 0, 2, 7];
    assert_eq!(client.drops(&answer(&request, 5, LEASED, &other)), Reason::DhcpUnexpected);
}

#[test]
fn a_lease_for_ever_is_not_renewed() {
    let mut client = Client::new();
    let discover = client.sent().unwrap();
    client.receive(&answer(&discover, 2, LEASED, &options(1000)));
    let request = client.sent().unwrap();
    client.receive(&answer(&request, 5, LEASED, &options(u32::MAX)));
    assert_eq!((client.dhcp.next_deadline(), client.dhcp.lease().unwrap().ends_at()), (None, None));
}

#[test]
fn a_full_ring_or_an_empty_pool_delays_a_message_and_loses_none() {
    let mut client = Client::new();
    client.host.wire.room = 0;
    assert!(client.sent().is_none() && client.dhcp.has_output());
    client.host.wire.room = 1;
    let held: Vec<_> = core::iter::from_fn(|| client.host.pool.take()).collect();
    assert!(client.sent().is_none() && client.dhcp.has_output());
    drop(held);
    assert!(client.sent().is_some() && !client.dhcp.has_output());
    assert_eq!(size_of::<Fixed>(), FIXED);
}
