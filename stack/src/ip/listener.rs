//! Telling routers and switches which groups this host listens to (MLDv2, RFC 3810).
//!
//! Invariant: a group is reported when it is joined and whenever a router asks; the solicited-node groups are all there
//! are. Left out: source filters, MLDv1 compatibility, the random delay before an answer, leaving.

use core::net::{IpAddr, Ipv6Addr};

use lendwire_nic::Sum;

use super::Ip;
use super::address::Address;
use super::datagram::Datagram;
use super::envelope::Envelope;
use super::reply::{Header, Message, Precedence};
use crate::drops::Reason;
use crate::link::InterfaceId;
use crate::wire::address::{ALL_MLD_ROUTERS, Cidr, solicited_node};
use crate::wire::icmpv6;
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;

/// Hop-by-hop options: ICMPv6 follows, router alert for MLD (RFC 2711), padding.
const HOP_BY_HOP: [u8; 8] = [Protocol::ICMPV6.0, 0, 5, 2, 0, 0, 1, 0];

/// What a record says of its group (RFC 3810 §5.2.12): everything sent to it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Still.
    ModeIsExclude = 2,
    /// From now on.
    ChangeToExclude = 4,
}

impl Ip<'_> {
    /// Reports the group of one address.
    pub(super) fn report(&mut self, interface: InterfaceId, address: Ipv6Addr, record: Record) {
        let Some(state) = self.interfaces.at(interface) else { return };
        let local = state.iter().filter(|own| own.is_usable()).map(|own| own.cidr.address());
        // RFC 3590: from nobody, as long as there is no link-local address that may be used.
        let source = local
            .filter_map(|own| match own {
                IpAddr::V6(own) if Cidr::LINK_LOCAL.contains(own.into()) => Some(own),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            })
            .next()
            .unwrap_or(Ipv6Addr::UNSPECIFIED);
        let envelope = Envelope {
            hop_limit: 1,
            interface: Some(interface),
            ..Envelope::new(source.into(), ALL_MLD_ROUTERS.into(), Protocol::HOP_BY_HOP, None)
        };
        let header = Header::of(&[&HOP_BY_HOP, &message(source, solicited_node(address), record)]);
        self.queue(interface, Message::Packet { envelope, header, payload: None }, Precedence::Own);
    }

    /// RFC 3810 §5.1.14, §6.2.
    pub(super) fn on_listener_query(&mut self, datagram: &Datagram) -> Result<(), Reason> {
        if datagram.hop_limit != 1 || !Cidr::LINK_LOCAL.contains(datagram.source) {
            return Err(Reason::NdpHopLimit);
        }
        for place in 0..super::interface::MAX_ADDRESSES {
            let state = self.interfaces.at(datagram.interface).ok_or(Reason::NdpUnsolicited)?;
            if let Some(IpAddr::V6(own)) = state.addresses[place].as_ref().map(|own: &Address| own.cidr.address()) {
                self.report(datagram.interface, own, Record::ModeIsExclude);
            }
        }
        Ok(())
    }
}

/// A report of one group, with its checksum: 28 bytes.
fn message(source: Ipv6Addr, group: Ipv6Addr, record: Record) -> [u8; 28] {
    let mut message = [0; 28];
    message[0] = icmpv6::LISTENER_REPORT_V2;
    message[7] = 1;
    message[8] = record as u8;
    message[12..].copy_from_slice(&group.octets());
    let pseudo = pseudo_header(source.into(), ALL_MLD_ROUTERS.into(), Protocol::ICMPV6, message.len());
    let checksum = pseudo.then(Sum::of(&message)).checksum();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}
