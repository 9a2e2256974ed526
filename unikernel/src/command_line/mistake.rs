//! What is wrong with a command line, in words that say what to write instead.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Why a command line cannot be obeyed. Its text tells what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// A word that is no setting.
    Unknown(&'a str),
    /// A setting given twice; its name.
    Twice(&'static str),
    /// `ip=` with something else than an address and a prefix length.
    Ip4(&'a str),
    /// `ip=` with an address that no interface can have.
    Ip4NotUnicast(Ipv4Addr),
    /// `gw=` with something else than an address.
    Gateway(&'a str),
    /// `gw=` with an address that `ip=` does not reach.
    GatewayElsewhere(Ipv4Addr),
    /// `gw=` without an address in `ip=`.
    GatewayOfDhcp,
    /// `ip6=` with something else than an address and a prefix length.
    Ip6(&'a str),
    /// `ip6=` with an address that no interface can have.
    Ip6NotUnicast(Ipv6Addr),
    /// `poll=` with none of its three words.
    Poll(&'a str),
    /// `offloads=` with none of its two words.
    Offloads(&'a str),
    /// `restart=` with something else than a small number.
    Restarts(&'a str),
    /// `virtio_mmio.device=` with something else than a place.
    Mmio(&'a str),
    /// One `virtio_mmio.device=` too many.
    TooManyMmio(&'a str),
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(word) => {
                write!(
                    formatter,
                    "\"{word}\" is no setting: the command line takes ip=, gw=, ip6=, poll=, offloads= and restart="
                )
            }
            Self::Twice(name) => write!(formatter, "{name}= is given twice: keep one of them"),
            Self::Ip4(value) => write!(
                formatter,
                "ip={value} is no IPv4 address with a prefix length: write ip=dhcp, ip=none, or for example ip=192.0.2.2/24"
            ),
            Self::Ip4NotUnicast(address) => write!(
                formatter,
                "ip={address} is no address of one interface: write ip=dhcp, or a free address of the network"
            ),
            Self::Gateway(value) => {
                write!(formatter, "gw={value} is no IPv4 address: write for example gw=192.0.2.1")
            }
            Self::GatewayElsewhere(address) => write!(
                formatter,
                "gw={address} is not another address of the network that ip= names: correct it, or the length after \
                 the / of ip="
            ),
            Self::GatewayOfDhcp => {
                write!(formatter, "gw= goes with ip=A.B.C.D/N: leave it out; DHCP brings its own gateway")
            }
            Self::Ip6(value) => write!(
                formatter,
                "ip6={value} is no IPv6 address with a prefix length: write ip6=auto, or for example \
                 ip6=2001:db8::2/64"
            ),
            Self::Ip6NotUnicast(address) => write!(
                formatter,
                "ip6={address} is no address of one interface: write ip6=auto, or a free address of the network"
            ),
            Self::Poll(value) => {
                write!(formatter, "poll={value} is unknown: write poll=adaptive, poll=always or poll=never")
            }
            Self::Offloads(value) => {
                write!(formatter, "offloads={value} is unknown: write offloads=on or offloads=off")
            }
            Self::Restarts(value) => {
                write!(formatter, "restart={value} is no number up to 1000: write for example restart=20")
            }
            Self::Mmio(value) => write!(
                formatter,
                "virtio_mmio.device={value} is no place: write SIZE@ADDRESS:LINE, for example \
                 virtio_mmio.device=512@0xfeb00e00:12"
            ),
            Self::TooManyMmio(value) => {
                write!(
                    formatter,
                    "virtio_mmio.device={value} is one too many: leave out those that are no network card"
                )
            }
        }
    }
}

impl core::error::Error for Mistake<'_> {}
