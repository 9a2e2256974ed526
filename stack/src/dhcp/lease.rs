//! What a server offers and gives (RFC 2131 §4.3.1, RFC 2132).

use core::net::Ipv4Addr;

use crate::time::{Instant, Span};
use crate::wire::address::{Cidr, prefix_of_mask};
use crate::wire::dhcpv4::{Message, option};

/// Name servers that are kept of a lease.
const NAME_SERVERS: usize = 3;

/// An address that a server would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) address: Ipv4Addr,
    pub(super) server: Ipv4Addr,
}

impl Offer {
    /// Nothing if the message lacks the server's address (RFC 2131 table 3), or offers what no host can have.
    pub(super) fn of(message: &Message<'_>) -> Option<Self> {
        Some(Self { address: host(message)?, server: message.address(option::SERVER)? })
    }
}

/// An address that a server gave, and what came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) cidr: Cidr,
    pub(super) server: Ipv4Addr,
    pub(super) router: Option<Ipv4Addr>,
    name_servers: [Option<Ipv4Addr>; NAME_SERVERS],
    pub(super) renews_at: Option<Instant>,
    pub(super) rebinds_at: Option<Instant>,
    pub(super) ends_at: Option<Instant>,
}

impl Lease {
    /// The address and its network.
    #[must_use]
    pub const fn cidr(&self) -> Cidr {
        self.cidr
    }

    /// Who passes packets on.
    #[must_use]
    pub const fn router(&self) -> Option<Ipv4Addr> {
        self.router
    }

    /// Who gave it.
    #[must_use]
    pub const fn server(&self) -> Ipv4Addr {
        self.server
    }

    /// Up to three name servers, best first.
    pub fn name_servers(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.name_servers.iter().copied().flatten()
    }

    /// When it ends, unless it is renewed; never, if there is no time.
    #[must_use]
    pub const fn ends_at(&self) -> Option<Instant> {
        self.ends_at
    }

    /// Nothing if the message lacks the lease's time or the server's address, or gives what no host can have.
    pub(super) fn of(message: &Message<'_>, from: Instant) -> Option<Self> {
        let address = host(message)?;
        let seconds = message.seconds(option::LEASE_TIME).filter(|&seconds| seconds > 0)?;
        let prefix = match message.address(option::SUBNET_MASK) {
            Some(mask) => prefix_of_mask(mask)?,
            None => class_prefix(address),
        };
        let mut name_servers = [None; NAME_SERVERS];
        let servers = message.option(option::NAME_SERVERS).unwrap_or(&[]);
        for (place, server) in name_servers.iter_mut().zip(servers.as_chunks::<4>().0) {
            *place = Some(Ipv4Addr::from_octets(*server));
        }
        let (renews_at, rebinds_at, ends_at) = times(message, seconds, from);
        Some(Self {
            cidr: Cidr::new(address.into(), prefix).ok()?,
            server: message.address(option::SERVER)?,
            router: message.address(option::ROUTERS).filter(|router| !router.is_unspecified()),
            name_servers,
            renews_at,
            rebinds_at,
            ends_at,
        })
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        match self.cidr.address() {
            core::net::IpAddr::V4(address) => address,
            core::net::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        }
    }

    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

/// The address given, if a host can have it.
fn host(message: &Message<'_>) -> Option<Ipv4Addr> {
    let address = Ipv4Addr::from_octets(message.header.yours);
    let is_host = !(address.octets()[0] == 0 || address.octets()[0] >= 224 || address.is_loopback());
    is_host.then_some(address)
}

/// RFC 791 §2.3: what a network's size was before masks; a server that sends none may mean that.
const fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        192..=255 => 24,
    }
}

/// RFC 2131 §4.4.5: T1 and T2, half and seven eighths of the lease unless the server says otherwise and makes sense.
fn times(message: &Message<'_>, seconds: u32, from: Instant) -> (Option<Instant>, Option<Instant>, Option<Instant>) {
    if seconds == u32::MAX {
        return (None, None, None);
    }
    let lease = u64::from(seconds);
    let said = |number| message.seconds(number).map(u64::from);
    let rebind = said(option::REBINDING_TIME).filter(|&time| time < lease).unwrap_or(lease * 7 / 8);
    let renew = said(option::RENEWAL_TIME).filter(|&time| time < rebind).unwrap_or((lease / 2).min(rebind));
    let at = |seconds| Some(from + Span::from_secs(seconds));
    (at(renew), at(rebind), at(lease))
}
