//! The stack, its addresses and the services.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use lendwire::time::Instant;
use lendwire::wire::address::Cidr;
use lendwire::{
    AddAddressError, AddInterfaceError, AddRouteError, AddressState, Config, DhcpError, InterfaceConfig, InterfaceId,
    Stack, Storage,
};
use lendwire_nic::{Content, NicInfo};
use lendwire_unikernel::apps::{self, Link, Place, Server, StartError, Supplies};
use lendwire_unikernel::command_line::{Ip4, Ip6, Settings};
use lendwire_unikernel::http::{ONE_KIBIBYTE, ONE_MEBIBYTE};

use super::capacity::{Capacity, Pools};

/// What serves.
pub(super) struct Network {
    pub(super) stack: Stack<'static>,
    pub(super) server: Server<'static>,
    pub(super) interface: InterfaceId,
    /// Whether an IPv6 address is all there will be.
    is_ipv6_only: bool,
}

/// Why nothing serves.
#[derive(Debug)]
pub(super) enum Problem {
    Interface(AddInterfaceError),
    Address(IpAddr, AddAddressError),
    Gateway(IpAddr, AddRouteError),
    Dhcp(DhcpError),
    Services(StartError),
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(error) => write!(out, "the network card is of no use: {error:?}"),
            Self::Address(address, error) => write!(out, "the address {address} cannot be used: {error:?}"),
            Self::Gateway(address, error) => write!(out, "the gateway {address} cannot be used: {error:?}"),
            Self::Dhcp(error) => write!(out, "no address can be asked for: {error:?}"),
            Self::Services(error) => write!(out, "the services do not start: {error:?}"),
        }
    }
}

impl Network {
    /// Takes the device into service, and listens. Addresses may come later.
    pub(super) fn start(
        settings: &Settings,
        capacity: &Capacity,
        pools: &Pools,
        info: &NicInfo,
        secret: [u8; 16],
        now: Instant,
    ) -> Result<Self, Problem> {
        let storage = Storage::leaked(&capacity.tables());
        let mut stack = Stack::new(storage, Config { tcp: capacity.tcp(), ..Config::new(secret) }, pools.transmit, now);
        let interface = stack.add_interface(info, InterfaceConfig::default(), now).map_err(Problem::Interface)?;
        set_addresses(&mut stack, interface, settings, now)?;
        let links = || Vec::leak(vec![Link::OUT; capacity.connections]);
        let storage = apps::Storage {
            places: Vec::leak((0..capacity.connections).map(|_| Place::EMPTY).collect()),
            patience: links(),
            starved: links(),
            stalled: links(),
        };
        let supplies = Supplies {
            one_kibibyte: Content::leaked(&ONE_KIBIBYTE),
            one_mebibyte: Content::leaked(&ONE_MEBIBYTE),
            receive_pool: pools.receive,
            receive_reserve: capacity.receive_reserve(),
            transmit_pool: pools.transmit,
        };
        let server = Server::start(&mut stack, storage, supplies).map_err(Problem::Services)?;
        Ok(Self { stack, server, interface, is_ipv6_only: settings.ip4 == Ip4::None })
    }

    /// Whether clients can reach the services.
    pub(super) fn is_reachable(&self) -> bool {
        self.stack
            .addresses(self.interface)
            .any(|(cidr, state)| state == AddressState::Preferred && (cidr.address().is_ipv4() || self.is_ipv6_only))
    }

    /// The addresses of one version as a list, those included that will be usable soon.
    pub(super) fn list(&self, version: Version) -> impl fmt::Display + '_ {
        fmt::from_fn(move |out| {
            let mut is_first = true;
            for (cidr, state) in self.stack.addresses(self.interface) {
                let is_listed = cidr.address().is_ipv4() == (version == Version::V4);
                if !is_listed || state == AddressState::Duplicate {
                    continue;
                }
                let comma = if core::mem::take(&mut is_first) { "" } else { "," };
                write!(out, "{comma}{}/{}", cidr.address(), cidr.prefix())?;
            }
            if is_first { out.write_str("none") } else { Ok(()) }
        })
    }
}

/// Of the Internet Protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

fn set_addresses(
    stack: &mut Stack<'_>,
    interface: InterfaceId,
    settings: &Settings,
    now: Instant,
) -> Result<(), Problem> {
    let add = |stack: &mut Stack<'_>, address: IpAddr, prefix| {
        let cidr = Cidr::new(address, prefix).expect("the command line's reader checked the length");
        stack.add_address(interface, cidr, now).map_err(|error| Problem::Address(address, error))
    };
    match settings.ip4 {
        Ip4::None => {}
        Ip4::Dhcp => stack.start_dhcp(interface, now).map_err(Problem::Dhcp)?,
        Ip4::Static { address, prefix, gateway } => {
            add(stack, address.into(), prefix)?;
            if let Some(gateway) = gateway.map(IpAddr::from) {
                stack
                    .add_route(Cidr::EVERY_IPV4, gateway, interface)
                    .map_err(|error| Problem::Gateway(gateway, error))?;
            }
        }
    }
    match settings.ip6 {
        Ip6::Auto => Ok(()),
        Ip6::Static { address, prefix } => add(stack, address.into(), prefix),
    }
}
