//! ARP for IPv4 on Ethernet (RFC 826).

use core::net::Ipv4Addr;

use lendwire_nic::MacAddress;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ethernet::EtherType;

/// A packet, 28 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Packet {
    /// The hardware's kind: 1 for Ethernet.
    pub hardware: U16,
    /// The protocol, as an [`EtherType`].
    pub protocol: U16,
    /// Bytes of a hardware address.
    pub hardware_len: u8,
    /// Bytes of a protocol address.
    pub protocol_len: u8,
    /// Request or reply.
    pub operation: U16,
    /// Who sends.
    pub sender_hardware: [u8; 6],
    /// Who sends.
    pub sender: [u8; 4],
    /// Who is meant; means nothing in a request.
    pub target_hardware: [u8; 6],
    /// Who is meant.
    pub target: [u8; 4],
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// Why bytes are no ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than a packet.
    Short,
    /// Other hardware, another protocol, lengths that do not fit them, or another operation.
    Format,
}

impl Packet {
    /// Bytes of a packet.
    pub const LEN: usize = 28;

    /// A request for the hardware address of `target`. A probe's sender is unspecified (RFC 5227 §1.1).
    #[must_use]
    pub fn request(sender_hardware: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self::new(Operation::Request, sender_hardware, sender, MacAddress([0; 6]), target)
    }

    /// The reply to whom `target_hardware` and `target` are.
    #[must_use]
    pub fn reply(sender_hardware: MacAddress, sender: Ipv4Addr, target_hardware: MacAddress, target: Ipv4Addr) -> Self {
        Self::new(Operation::Reply, sender_hardware, sender, target_hardware, target)
    }

    fn new(
        operation: Operation,
        sender_hardware: MacAddress,
        sender: Ipv4Addr,
        target_hardware: MacAddress,
        target: Ipv4Addr,
    ) -> Self {
        Self {
            hardware: U16::new(1),
            protocol: U16::new(EtherType::IPV4.0),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(match operation {
                Operation::Request => 1,
                Operation::Reply => 2,
            }),
            sender_hardware: sender_hardware.0,
            sender: sender.octets(),
            target_hardware: target_hardware.0,
            target: target.octets(),
        }
    }

    /// Reads the packet at the front of `bytes`.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<(Operation, &Self), Malformed> {
        let (packet, _) = Self::ref_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        let form = (packet.hardware.get(), packet.protocol.get(), packet.hardware_len, packet.protocol_len);
        if form != (1, EtherType::IPV4.0, 6, 4) {
            return Err(Malformed::Format);
        }
        match packet.operation.get() {
            1 => Ok((Operation::Request, packet)),
            2 => Ok((Operation::Reply, packet)),
            _ => Err(Malformed::Format),
        }
    }

    /// Who sends.
    #[must_use]
    pub const fn sender_hardware(&self) -> MacAddress {
        MacAddress(self.sender_hardware)
    }

    /// Who sends.
    #[must_use]
    pub const fn sender(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.sender)
    }

    /// Who is meant.
    #[must_use]
    pub const fn target(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.target)
    }
}
