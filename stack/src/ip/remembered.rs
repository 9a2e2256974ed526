//! The routes that were looked up last: packets that follow one another to the same hosts take the same one.
//!
//! Invariant: what is remembered is what a lookup would find now. It follows from routes, addresses, interfaces and from which
//! gateways are silent (RFC 4861 §6.3.6); each table counts its changes, and after any of them nothing is remembered. Who has
//! the next hop's address is asked for each packet all the same: using a neighbour moves its state (RFC 4861 §7.3.3).

use core::net::IpAddr;

use super::Ip;
use super::envelope::{Envelope, NoRoute, Path};
use super::route::Hop;
use crate::link::InterfaceId;

/// As many hosts as are remembered at once, at the most.
const PLACES: usize = 8;

/// What a route was looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    destination: IpAddr,
    source: Option<IpAddr>,
    interface: Option<InterfaceId>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct RememberedRoutes {
    places: [Option<(Asked, Path)>; PLACES],
    /// How many changes there had been.
    changes: u64,
}

impl RememberedRoutes {
    pub(super) const NONE: Self = Self { places: [const { None }; PLACES], changes: 0 };
}

impl Ip<'_> {
    /// Question: [`Ip::route_out_of`], for who sends again and again.
    #[inline]
    pub(crate) fn route_again(
        &mut self,
        destination: IpAddr,
        source: Option<IpAddr>,
        interface: Option<InterfaceId>,
    ) -> Result<Path, NoRoute> {
        let asked = Asked { destination, source, interface };
        match self.remembered(&asked) {
            Some(path) => Ok(*path),
            None => self.look_up(asked),
        }
    }

    /// The next hop of packets with `envelope`.
    pub(super) fn hop_of(&self, envelope: &Envelope) -> Result<Hop, NoRoute> {
        let Envelope { destination, source, interface, .. } = *envelope;
        match self.remembered(&Asked { destination, source: Some(source), interface }) {
            Some(path) => Ok(path.hop()),
            None => self.hop(destination, Some(source), interface),
        }
    }

    #[inline]
    fn remembered(&self, asked: &Asked) -> Option<&Path> {
        let (known, path) = self.remembered.places[place_of(asked.destination)].as_ref()?;
        (known == asked && self.remembered.changes == self.changes()).then_some(path)
    }

    /// The next hop of what was sent to `destination` last, if it is remembered.
    pub(super) fn last_hop(&self, destination: IpAddr) -> Option<Hop> {
        let (asked, path) = self.remembered.places[place_of(destination)].as_ref()?;
        let is_it = asked.destination == destination && self.remembered.changes == self.changes();
        is_it.then(|| path.hop())
    }

    fn look_up(&mut self, asked: Asked) -> Result<Path, NoRoute> {
        let changes = self.changes();
        if self.remembered.changes != changes {
            self.remembered = RememberedRoutes { changes, ..RememberedRoutes::NONE };
        }
        let path = self.route_out_of(asked.destination, asked.source, asked.interface)?;
        self.remembered.places[place_of(asked.destination)] = Some((asked, path));
        Ok(path)
    }

    /// How often something changed that a route follows from. None of the counts goes back, so their sum stands still only
    /// where all do.
    fn changes(&self) -> u64 {
        self.routes.changes() + self.interfaces.changes() + self.neighbours.silences()
    }
}

fn place_of(destination: IpAddr) -> usize {
    let last = match destination {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    usize::from(last) % PLACES
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::ip::harness::{Host, OWN, PEER};
    use crate::time::Span;
    use crate::wire::address::Cidr;

    const FAR: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(203, 0, 113, 1));

    fn gateway(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn next_hop(host: &mut Host) -> Option<IpAddr> {
        let remembered = host.ip.route_again(FAR, Some(OWN.into()), None);
        assert_eq!(remembered, host.ip.route_out_of(FAR, Some(OWN.into()), None), "it is what a lookup finds");
        assert_eq!(remembered, host.ip.route_again(FAR, Some(OWN.into()), None), "the second time too");
        remembered.ok().map(|path| path.next_hop)
    }

    #[test]
    fn a_route_that_comes_or_goes_is_known_at_once() {
        let mut host = Host::new();
        assert_eq!(next_hop(&mut host), None);
        host.ip.add_route(Cidr::EVERY_IPV4, gateway(10), host.id()).unwrap();
        assert_eq!(next_hop(&mut host), Some(gateway(10)));
        let near = Cidr::new([203, 0, 113, 0].into(), 24).unwrap();
        host.ip.add_route(near, gateway(11), host.id()).unwrap();
        assert_eq!(next_hop(&mut host), Some(gateway(11)));
        assert!(host.ip.remove_route(near, gateway(11), host.id()));
        assert_eq!(next_hop(&mut host), Some(gateway(10)));
    }

    #[test]
    fn an_address_that_goes_takes_its_routes_along() {
        let mut host = Host::new();
        assert!(host.ip.route_again(PEER.into(), Some(OWN.into()), None).is_ok());
        assert!(host.ip.remove_address(host.id(), OWN.into()));
        assert!(host.ip.route_again(PEER.into(), Some(OWN.into()), None).is_err());
    }

    #[test]
    fn rfc4861_6_3_6_a_gateway_that_falls_silent_gives_way_and_gets_its_turn_back() {
        let mut host = Host::new();
        for last in [10, 11] {
            host.ip.add_route(Cidr::EVERY_IPV4, gateway(last), host.id()).unwrap();
        }
        assert_eq!(next_hop(&mut host), Some(gateway(10)));
        assert!(host.send(FAR, &[]).is_err(), "it is asked for");
        host.pass(Span::from_secs(3));
        assert_eq!(next_hop(&mut host), Some(gateway(11)));
        let mac = lendwire_nic::MacAddress([2, 0, 0, 0, 0, 10]);
        let said = crate::wire::arp::Packet::request(mac, [192, 0, 2, 10].into(), OWN);
        host.receive(&crate::ip::harness::arp(lendwire_nic::MacAddress::BROADCAST, said));
        assert_eq!(next_hop(&mut host), Some(gateway(10)));
    }

    #[test]
    fn rfc4861_7_3_3_a_neighbour_at_the_end_of_a_remembered_route_is_probed_and_given_up() {
        let mut host = Host::with_peer();
        let path = host.ip.route_again(PEER.into(), Some(OWN.into()), None).unwrap();
        let goes = |host: &mut Host| host.ip.way_along(&path, &mut [&mut host.wire], host.now, &mut host.work).is_ok();
        // It was reachable for 30 seconds. What is sent then waits 5 seconds for a sign of life.
        host.pass(Span::from_secs(31));
        assert!(goes(&mut host));
        host.pass(Span::from_secs(5));
        let probes = host.transmit();
        assert_eq!((probes.len(), &probes[0][..6]), (1, &crate::ip::harness::PEER_MAC.0[..]), "it alone is asked");
        assert!(goes(&mut host), "meanwhile packets go to it");
        host.pass(Span::from_secs(8));
        assert_eq!(host.ip.route_again(PEER.into(), Some(OWN.into()), None), Ok(path));
        assert!(!goes(&mut host), "nobody is there");
    }

    #[test]
    fn rfc4861_7_3_1_a_sign_of_life_reaches_the_next_hop_of_a_remembered_route() {
        let mut host = Host::with_peer();
        let path = host.ip.route_again(PEER.into(), Some(OWN.into()), None).unwrap();
        host.pass(Span::from_secs(31));
        assert!(host.ip.way_along(&path, &mut [&mut host.wire], host.now, &mut host.work).is_ok());
        host.ip.confirm(PEER.into(), host.now);
        host.pass(Span::from_secs(20));
        assert_eq!(host.transmit(), Vec::<Vec<u8>>::new(), "nobody is asked");
    }

    #[test]
    fn hosts_that_share_a_place_do_not_share_a_route() {
        let mut host = Host::new();
        host.ip.add_route(Cidr::EVERY_IPV4, gateway(10), host.id()).unwrap();
        let other: IpAddr = [192, 0, 2, 1 + PLACES as u8].into();
        for _ in 0..2 {
            assert_eq!(next_hop(&mut host), Some(gateway(10)));
            assert_eq!(host.ip.route_again(other, Some(OWN.into()), None).unwrap().next_hop, other);
            assert_eq!(host.ip.route_again(other, None, None).unwrap().source, IpAddr::from(OWN));
        }
    }
}
