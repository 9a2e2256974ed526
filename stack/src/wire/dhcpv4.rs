//! DHCP messages over IPv4 (RFC 2131 §2, RFC 2132).
//!
//! Invariant: a [`Message`] exists only of bytes with the fixed part, the magic cookie, and options whose lengths lie
//! in them. Left out: options in the file and sname fields (option 52), options cut in pieces (RFC 3396).

use core::net::Ipv4Addr;

use lendwire_nic::MacAddress;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The server's port.
pub const SERVER_PORT: u16 = 67;
/// The client's port.
pub const CLIENT_PORT: u16 = 68;
/// Bytes of the fixed part with the magic cookie.
pub const HEADER_LEN: usize = 240;
/// Bytes that a message has at least: older relays drop shorter ones (RFC 1542 §2.1).
pub const MINIMUM_LEN: usize = 300;
/// What stands before the options (RFC 2131 §3).
pub const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// The flag that asks the server to broadcast its answers.
pub const BROADCAST: u16 = 1 << 15;
/// The operation of a client's message.
pub const REQUEST: u8 = 1;
/// The operation of a server's message.
pub const REPLY: u8 = 2;

/// The fixed part and the magic cookie, 240 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`REQUEST`] or [`REPLY`].
    pub operation: u8,
    /// 1 for Ethernet.
    pub hardware: u8,
    /// Bytes of a hardware address.
    pub hardware_len: u8,
    /// Zero; relays count here.
    pub hops: u8,
    /// Ties answers to requests.
    pub transaction: U32,
    /// Seconds since the client began.
    pub seconds: U16,
    /// [`BROADCAST`].
    pub flags: U16,
    /// The client's address, if it can answer ARP for it.
    pub client: [u8; 4],
    /// The address that the server gives.
    pub yours: [u8; 4],
    /// The next server in a boot.
    pub next_server: [u8; 4],
    /// The relay.
    pub relay: [u8; 4],
    /// The client's hardware address.
    pub client_hardware: [u8; 16],
    /// The server's name.
    pub server_name: [u8; 64],
    /// A boot file.
    pub file: [u8; 128],
    /// [`MAGIC`].
    pub magic: [u8; 4],
}

impl Header {
    /// A client's message.
    #[must_use]
    pub fn request(transaction: u32, hardware: MacAddress) -> Self {
        let mut client_hardware = [0; 16];
        client_hardware[..6].copy_from_slice(&hardware.0);
        Self {
            operation: REQUEST,
            hardware: 1,
            hardware_len: 6,
            hops: 0,
            transaction: U32::new(transaction),
            seconds: U16::ZERO,
            flags: U16::ZERO,
            client: [0; 4],
            yours: [0; 4],
            next_server: [0; 4],
            relay: [0; 4],
            client_hardware,
            server_name: [0; 64],
            file: [0; 128],
            magic: MAGIC,
        }
    }
}

/// What a message says: option 53 (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who has an address for me?
    Discover = 1,
    /// I have this one.
    Offer = 2,
    /// I take it, or: I would like to keep it.
    Request = 3,
    /// Somebody else has it already.
    Decline = 4,
    /// It is yours.
    Ack = 5,
    /// You cannot have it.
    Nak = 6,
    /// I need it no longer.
    Release = 7,
}

impl Kind {
    /// The kind that option 53 numbers so.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            _ => return None,
        })
    }
}

/// Numbers of options (RFC 2132).
pub mod option {
    /// Fills a byte.
    pub const PAD: u8 = 0;
    /// The subnet mask, 4 bytes.
    pub const SUBNET_MASK: u8 = 1;
    /// Routers, 4 bytes each, best first.
    pub const ROUTERS: u8 = 3;
    /// Name servers, 4 bytes each, best first.
    pub const NAME_SERVERS: u8 = 6;
    /// The client's name.
    pub const HOST_NAME: u8 = 12;
    /// The address that the client would like.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// Seconds of the lease, 4 bytes.
    pub const LEASE_TIME: u8 = 51;
    /// The message's kind, 1 byte.
    pub const MESSAGE_KIND: u8 = 53;
    /// Which server is meant, or speaks.
    pub const SERVER: u8 = 54;
    /// Which options the client would like, 1 byte each.
    pub const PARAMETERS: u8 = 55;
    /// The longest message that the client takes, 2 bytes.
    pub const MAXIMUM_LEN: u8 = 57;
    /// Seconds until renewal, 4 bytes.
    pub const RENEWAL_TIME: u8 = 58;
    /// Seconds until rebinding, 4 bytes.
    pub const REBINDING_TIME: u8 = 59;
    /// Who the client is.
    pub const CLIENT: u8 = 61;
    /// The last one.
    pub const END: u8 = 255;
}

/// Why bytes are no DHCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the fixed part.
    Short,
    /// Other hardware than Ethernet, or no magic cookie: not DHCP.
    Format,
    /// An option beyond the message's end.
    Options,
}

/// A message, checked.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The fixed part.
    pub header: &'a Header,
    options: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, options) = Header::ref_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        if (header.hardware, header.hardware_len, header.magic) != (1, 6, MAGIC) {
            return Err(Malformed::Format);
        }
        let mut left = options;
        loop {
            left = match left {
                // RFC 2131 §3: the last option is END; bytes that stop without it are let pass.
                [] | [option::END, ..] => break,
                [option::PAD, rest @ ..] => rest,
                [_, len, rest @ ..] => rest.get(usize::from(*len)..).ok_or(Malformed::Options)?,
                [_] => return Err(Malformed::Options),
            };
        }
        Ok(Self { header, options })
    }

    /// The data of the first option `number`.
    #[must_use]
    pub fn option(&self, number: u8) -> Option<&'a [u8]> {
        let mut left = self.options;
        loop {
            left = match left {
                [] | [_] | [option::END, ..] => return None,
                [option::PAD, rest @ ..] => rest,
                [kind, len, rest @ ..] => {
                    let (data, rest) = rest.split_at_checked(usize::from(*len))?;
                    if *kind == number {
                        return Some(data);
                    }
                    rest
                }
            };
        }
    }

    /// What the message says.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let [number] = self.option(option::MESSAGE_KIND)? else { return None };
        Kind::of(*number)
    }

    /// The data of option `number` as an address: the first one of a list.
    #[must_use]
    pub fn address(&self, number: u8) -> Option<Ipv4Addr> {
        let (first, _) = self.option(number)?.split_first_chunk::<4>()?;
        Some(Ipv4Addr::from_octets(*first))
    }

    /// The data of option `number` as a number of seconds.
    #[must_use]
    pub fn seconds(&self, number: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(number)?.try_into().ok()?))
    }
}

/// Writes options behind each other.
#[derive(Debug)]
pub struct OptionWriter<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> OptionWriter<'a> {
    /// A writer into `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// Adds an option.
    ///
    /// # Panics
    /// If it does not fit: what is written is the caller's own.
    pub fn push(&mut self, number: u8, data: &[u8]) {
        let to = &mut self.bytes[self.len..self.len + 2 + data.len()];
        to[0] = number;
        to[1] = u8::try_from(data.len()).expect("an option has up to 255 bytes");
        to[2..].copy_from_slice(data);
        self.len += 2 + data.len();
    }

    /// Adds the last option, and returns how many bytes all take.
    ///
    /// # Panics
    /// If it does not fit.
    #[must_use]
    pub fn end(self) -> usize {
        self.bytes[self.len] = option::END;
        self.len + 1
    }
}
