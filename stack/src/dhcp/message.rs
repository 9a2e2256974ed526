//! What the client says (RFC 2131 §4.4, table 5).

use core::net::Ipv4Addr;

use lendwire_nic::MacAddress;
use zerocopy::IntoBytes;
use zerocopy::byteorder::network_endian::U16;

use super::lease::Offer;
use crate::wire::dhcpv4::{BROADCAST, HEADER_LEN, Header, Kind, MINIMUM_LEN, OptionWriter, option};

/// Bytes that a message may take: every host takes 576 with their headers (RFC 2131 §2).
pub(super) const ROOM: usize = 512;
/// The longest answer, headers included.
const LONGEST: u16 = 1500;
/// What the client would like to know.
const PARAMETERS: [u8; 7] = [
    option::SUBNET_MASK,
    option::ROUTERS,
    option::NAME_SERVERS,
    option::LEASE_TIME,
    option::SERVER,
    option::RENEWAL_TIME,
    option::REBINDING_TIME,
];

/// What all messages have in common.
pub(super) struct Draft {
    pub(super) transaction: u32,
    pub(super) mac: MacAddress,
    pub(super) seconds: u16,
}

impl Draft {
    /// Who has an address for me?
    pub(super) fn discover(&self, to: &mut [u8]) -> usize {
        self.write(Kind::Discover, Ipv4Addr::UNSPECIFIED, &[], to)
    }

    /// I take this one.
    pub(super) fn request(&self, offer: Offer, to: &mut [u8]) -> usize {
        let address = (option::REQUESTED_ADDRESS, offer.address);
        self.write(Kind::Request, Ipv4Addr::UNSPECIFIED, &[address, (option::SERVER, offer.server)], to)
    }

    /// I would like to keep `address`: neither the server nor the address may be named as an option.
    pub(super) fn renew(&self, address: Ipv4Addr, to: &mut [u8]) -> usize {
        self.write(Kind::Request, address, &[], to)
    }

    fn write(&self, kind: Kind, client: Ipv4Addr, addresses: &[(u8, Ipv4Addr)], to: &mut [u8]) -> usize {
        let mut header = Header::request(self.transaction, self.mac);
        header.seconds = U16::new(self.seconds);
        header.client = client.octets();
        // Who has no address yet cannot be sent to alone (RFC 2131 §4.1).
        header.flags = U16::new(if client.is_unspecified() { BROADCAST } else { 0 });
        let (front, back) = to.split_at_mut(HEADER_LEN);
        front.copy_from_slice(header.as_bytes());
        back[..ROOM - HEADER_LEN].fill(0);
        let mut options = OptionWriter::new(back);
        options.push(option::MESSAGE_KIND, &[kind as u8]);
        let [a, b, c, d, e, f] = self.mac.0;
        // RFC 2132 §9.14: the hardware's kind and address.
        options.push(option::CLIENT, &[1, a, b, c, d, e, f]);
        for (number, address) in addresses {
            options.push(*number, &address.octets());
        }
        options.push(option::PARAMETERS, &PARAMETERS);
        options.push(option::MAXIMUM_LEN, &LONGEST.to_be_bytes());
        (HEADER_LEN + options.end()).max(MINIMUM_LEN)
    }
}
