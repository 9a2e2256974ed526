//! Telling the link again who is where: after the cable was out, or when a hypervisor has moved the machine.
//!
//! Invariant: only addresses in use are announced, for the question whether a tentative one is free is still open.
//! RFC 5227 §2.3 (twice, two seconds apart), RFC 4861 §7.2.6 (once: neighbours that miss it find out by their probes),
//! RFC 3810 §6.1 (the groups, for switches that listen along).

use core::net::{IpAddr, Ipv6Addr};

use zerocopy::IntoBytes;

use super::Ip;
use super::interface::MAX_ADDRESSES;
use super::listener::Record;
use super::reply::{Header, Message, Precedence};
use crate::link::InterfaceId;
use crate::time::Instant;
use crate::wire::address::ALL_NODES;
use crate::wire::ndp::{Flags, LinkLayerAddress, Neighbour};

impl Ip<'_> {
    /// Command: announces every address of `interface` that is in use.
    pub(crate) fn announce(&mut self, interface: InterfaceId, now: Instant) {
        for place in 0..MAX_ADDRESSES {
            let Some(state) = self.interfaces.at_mut(interface).filter(|state| !state.config.loopback) else { return };
            let mac = state.mac;
            let Some(address) = state.addresses[place].as_mut().filter(|address| address.is_usable()) else { continue };
            match address.cidr.address() {
                IpAddr::V4(_) => address.announce_at(now),
                IpAddr::V6(own) => {
                    let header = Header::of(&[
                        Neighbour::advertisement(own, Flags::OVERRIDE).as_bytes(),
                        LinkLayerAddress::target(mac).as_bytes(),
                    ]);
                    self.announce_group(interface, own, super::ndp::message_to(interface, own, ALL_NODES, header));
                }
            }
        }
        self.on_address_deadlines(interface, now);
    }

    fn announce_group(&mut self, interface: InterfaceId, own: Ipv6Addr, advertisement: Message) {
        self.report(interface, own, Record::ChangeToExclude);
        self.queue(interface, advertisement, Precedence::Own);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use lendwire_nic::MacAddress;

    use super::*;
    use crate::ip::harness::{Host, MAC, OWN, OWN6, arp as frame, assert_sound};
    use crate::time::Span;
    use crate::wire::address::{Cidr, group_mac};
    use crate::wire::arp;

    #[test]
    fn rfc5227_2_3_ipv4_addresses_are_announced_twice_two_seconds_apart() {
        let mut host = Host::new();
        host.ip.announce(host.id(), host.now);
        let announcement = frame(MacAddress::BROADCAST, arp::Packet::request(MAC, OWN, OWN));
        assert!(host.transmit().contains(&announcement));
        host.pass(Span::from_secs(2));
        assert_eq!(host.transmit(), [announcement]);
        host.pass(Span::from_secs(100));
        assert_eq!(host.transmit().len(), 0);
    }

    #[test]
    fn rfc4861_7_2_6_ipv6_addresses_are_advertised_to_all_nodes_unasked_and_overriding() {
        let mut host = Host::new();
        host.ip.announce(host.id(), host.now);
        let sent = host.transmit();
        let advertisements: Vec<_> = sent.iter().filter(|frame| frame.get(54) == Some(&136)).collect();
        let [frame] = advertisements[..] else { panic!("one advertisement for one address") };
        assert_sound(frame);
        assert_eq!((&frame[..6], frame[21]), (&group_mac(ALL_NODES.into()).0[..], 255));
        assert_eq!(frame[58], 0x20, "override, not solicited");
        // RFC 3810 §5.2: a report, behind eight bytes of hop-by-hop options.
        assert!(sent.iter().any(|frame| frame[20] == 0 && frame[62] == 143));
        assert_eq!((&frame[62..78], &frame[78..]), (&OWN6.octets()[..], &[2, 1, 2, 0, 0, 0, 0, 1][..]));
    }

    #[test]
    fn rfc4862_5_4_a_tentative_address_is_not_announced() {
        let mut host = Host::new();
        let tentative = Cidr::new("2001:db8::77".parse().unwrap(), 64).unwrap();
        host.ip.add_address(host.id(), tentative, host.now).unwrap();
        host.transmit();
        host.ip.announce(host.id(), host.now);
        let is_of_it = |frame: &Vec<u8>| frame.get(54) == Some(&136) && frame[77] == 0x77;
        assert!(!host.transmit().iter().any(is_of_it));
    }
}
