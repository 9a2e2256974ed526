//! The kernel command line: `ip=`, `gw=`, `ip6=`, `poll=`, `offloads=` and `restart=`, in any order, each at most once,
//! and `virtio_mmio.device=` for each device that no bus leads to.
//!
//! ```
//! use lendwire_unikernel::command_line::{Ip4, Poll, parse};
//!
//! let settings = parse("ip=192.0.2.2/24 gw=192.0.2.1 poll=never").unwrap();
//! assert!(matches!(settings.ip4, Ip4::Static { prefix: 24, .. }));
//! assert_eq!(settings.poll, Poll::Never);
//! ```

mod mistake;
mod mmio;

use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

pub use self::mistake::Mistake;
pub use self::mmio::{MmioDevice, MmioDevices};

/// What the command line asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the IPv4 address comes from (`ip=`, `gw=`).
    pub ip4: Ip4,
    /// Where the IPv6 address comes from (`ip6=`).
    pub ip6: Ip6,
    /// When the image sleeps (`poll=`).
    pub poll: Poll,
    /// What the network card may do for the stack (`offloads=`).
    pub offloads: Offloads,
    /// How often the card is stopped at the start and probed again (`restart=`).
    pub restarts: u32,
    /// Devices that no bus leads to (`virtio_mmio.device=`).
    pub mmio: MmioDevices,
}

/// `ip=dhcp`, `ip=none`, or `ip=A.B.C.D/N` with `gw=A.B.C.D`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ip4 {
    /// Ask the network.
    #[default]
    Dhcp,
    /// Have none.
    None,
    /// Use this one.
    Static {
        /// The interface's address.
        address: Ipv4Addr,
        /// Bits of network number, at most 32.
        prefix: u8,
        /// The way out of the network, if there is one.
        gateway: Option<Ipv4Addr>,
    },
}

/// `ip6=auto` or `ip6=X/N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ip6 {
    /// Make one from a router's advertisement.
    #[default]
    Auto,
    /// Use this one.
    Static {
        /// The interface's address, besides its link-local one.
        address: Ipv6Addr,
        /// Bits of network number, at most 128.
        prefix: u8,
    },
}

/// `poll=adaptive`, `poll=always` or `poll=never`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Poll {
    /// Look for frames a while after the last one, then sleep until an interrupt.
    #[default]
    Adaptive,
    /// Never sleep.
    Always,
    /// Sleep as soon as there is nothing to do.
    Never,
}

/// `offloads=on` or `offloads=off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offloads {
    /// All that it can.
    #[default]
    On,
    /// Nothing: the stack sums and cuts by itself, and believes no word about checksums.
    Off,
}

/// The most that `restart=` takes: a start takes milliseconds.
const MOST_RESTARTS: u32 = 1_000;

/// Reads a command line; what it does not mention keeps its default (DHCP, router advertisements, adaptive).
///
/// # Errors
/// The first word that cannot be obeyed, or the settings that contradict each other.
pub fn parse(line: &str) -> Result<Settings, Mistake<'_>> {
    let (mut ip4, mut gateway, mut ip6, mut poll) = (None, None, None, None);
    let (mut offloads, mut restarts, mut mmio) = (None, None, MmioDevices::default());
    for word in line.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("ip", value)) => once("ip", &mut ip4, parse_ip4(value)?)?,
            Some(("gw", value)) => once("gw", &mut gateway, value.parse().map_err(|_| Mistake::Gateway(value))?)?,
            Some(("ip6", value)) => once("ip6", &mut ip6, parse_ip6(value)?)?,
            Some(("poll", value)) => once("poll", &mut poll, parse_poll(value)?)?,
            Some(("offloads", value)) => once("offloads", &mut offloads, parse_offloads(value)?)?,
            Some(("restart", value)) => once("restart", &mut restarts, parse_restarts(value)?)?,
            Some(("virtio_mmio.device", value)) => mmio.add(value)?,
            Some(_) | None => return Err(Mistake::Unknown(word)),
        }
    }
    let ip4 = match gateway {
        None => ip4.unwrap_or_default(),
        Some(gateway) => with_gateway(ip4.unwrap_or_default(), gateway)?,
    };
    Ok(Settings {
        ip4,
        ip6: ip6.unwrap_or_default(),
        poll: poll.unwrap_or_default(),
        offloads: offloads.unwrap_or_default(),
        restarts: restarts.unwrap_or_default(),
        mmio,
    })
}

fn once<'a, T>(name: &'static str, slot: &mut Option<T>, value: T) -> Result<(), Mistake<'a>> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Mistake::Twice(name)),
    }
}

fn parse_ip4(value: &str) -> Result<Ip4, Mistake<'_>> {
    if value == "dhcp" {
        return Ok(Ip4::Dhcp);
    }
    if value == "none" {
        return Ok(Ip4::None);
    }
    let (address, prefix) = address_and_prefix::<Ipv4Addr>(value, 32).ok_or(Mistake::Ip4(value))?;
    // A class E address is none an interface can have, the broadcast address among them; a /31 and a /32 have no
    // network and broadcast address (RFC 3021).
    let host = address.to_bits() & host_bits(prefix);
    let is_edge = prefix < 31 && (host == 0 || host == host_bits(prefix));
    let is_unusable = address.octets()[0] == 0 || address.octets()[0] >= 224 || address.is_loopback();
    if is_edge || is_unusable {
        return Err(Mistake::Ip4NotUnicast(address));
    }
    Ok(Ip4::Static { address, prefix, gateway: None })
}

fn with_gateway<'a>(ip4: Ip4, gateway: Ipv4Addr) -> Result<Ip4, Mistake<'a>> {
    let Ip4::Static { address, prefix, .. } = ip4 else { return Err(Mistake::GatewayOfDhcp) };
    let is_neighbour = (address.to_bits() ^ gateway.to_bits()) & !host_bits(prefix) == 0;
    if !is_neighbour || gateway == address {
        return Err(Mistake::GatewayElsewhere(gateway));
    }
    Ok(Ip4::Static { address, prefix, gateway: Some(gateway) })
}

fn parse_ip6(value: &str) -> Result<Ip6, Mistake<'_>> {
    if value == "auto" {
        return Ok(Ip6::Auto);
    }
    let (address, prefix) = address_and_prefix::<Ipv6Addr>(value, 128).ok_or(Mistake::Ip6(value))?;
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return Err(Mistake::Ip6NotUnicast(address));
    }
    Ok(Ip6::Static { address, prefix })
}

fn parse_poll(value: &str) -> Result<Poll, Mistake<'_>> {
    match value {
        "adaptive" => Ok(Poll::Adaptive),
        "always" => Ok(Poll::Always),
        "never" => Ok(Poll::Never),
        _ => Err(Mistake::Poll(value)),
    }
}

fn parse_offloads(value: &str) -> Result<Offloads, Mistake<'_>> {
    match value {
        "on" => Ok(Offloads::On),
        "off" => Ok(Offloads::Off),
        _ => Err(Mistake::Offloads(value)),
    }
}

fn parse_restarts(value: &str) -> Result<u32, Mistake<'_>> {
    value.parse().ok().filter(|times| *times <= MOST_RESTARTS).ok_or(Mistake::Restarts(value))
}

fn address_and_prefix<A: FromStr>(value: &str, longest: u8) -> Option<(A, u8)> {
    let (address, prefix) = value.split_once('/')?;
    let prefix: u8 = prefix.parse().ok()?;
    if prefix == 0 || prefix > longest {
        return None;
    }
    Some((address.parse().ok()?, prefix))
}

fn host_bits(prefix: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[track_caller]
    fn mistake(line: &'static str) -> Mistake<'static> {
        parse(line).expect_err(line)
    }

    #[test]
    fn an_empty_line_asks_for_the_defaults() {
        let defaults = Settings { ip4: Ip4::Dhcp, ip6: Ip6::Auto, poll: Poll::Adaptive, ..Settings::default() };
        assert_eq!(parse(""), Ok(defaults));
        assert_eq!(parse("  \t ip=dhcp ip6=auto  poll=adaptive "), Ok(defaults));
    }

    #[test]
    fn no_ipv4_address_is_a_choice() {
        assert_eq!(parse("ip=none ip6=auto").unwrap().ip4, Ip4::None);
        assert_eq!(mistake("ip=none gw=10.0.0.1"), Mistake::GatewayOfDhcp);
    }

    #[test]
    fn a_static_address_takes_its_gateway_in_any_order() {
        let expected =
            Ip4::Static { address: Ipv4Addr::new(10, 0, 0, 2), prefix: 8, gateway: Some(Ipv4Addr::new(10, 9, 9, 9)) };
        assert_eq!(parse("gw=10.9.9.9 ip=10.0.0.2/8").unwrap().ip4, expected);
        assert_eq!(parse("ip=10.0.0.2/8 gw=10.9.9.9").unwrap().ip4, expected);
    }

    #[test]
    fn a_static_ipv6_address_keeps_its_prefix() {
        let address = "2001:db8::2".parse().unwrap();
        assert_eq!(parse("ip6=2001:db8::2/64").unwrap().ip6, Ip6::Static { address, prefix: 64 });
    }

    #[test]
    fn the_three_ways_to_poll_are_told_apart() {
        assert_eq!(parse("poll=always").unwrap().poll, Poll::Always);
        assert_eq!(parse("poll=never").unwrap().poll, Poll::Never);
        assert_eq!(mistake("poll=sometimes"), Mistake::Poll("sometimes"));
    }

    #[test]
    fn a_point_to_point_network_has_no_broadcast_address() {
        assert!(parse("ip=192.0.2.0/31 gw=192.0.2.1").is_ok());
        assert!(parse("ip=192.0.2.255/32").is_ok());
    }

    #[test]
    fn an_address_that_no_interface_can_have_is_refused() {
        for line in [
            "ip=192.0.2.0/24",
            "ip=192.0.2.255/24",
            "ip=0.1.2.3/8",
            "ip=127.0.0.1/8",
            "ip=224.0.0.1/4",
            "ip=255.255.255.255/32",
        ] {
            assert!(matches!(mistake(line), Mistake::Ip4NotUnicast(_)), "{line}");
        }
        for line in ["ip6=::/64", "ip6=::1/128", "ip6=ff02::1/64"] {
            assert!(matches!(mistake(line), Mistake::Ip6NotUnicast(_)), "{line}");
        }
    }

    #[test]
    fn what_is_no_address_with_a_length_is_refused() {
        for line in ["ip=", "ip=10.0.0.2", "ip=10.0.0.2/33", "ip=10.0.0.2/0", "ip=10.0.0/8", "ip=auto", "ip=::1/64"] {
            assert!(matches!(mistake(line), Mistake::Ip4(_)), "{line}");
        }
        for line in ["ip6=", "ip6=fe80::1", "ip6=fe80::1/129", "ip6=dhcp", "ip6=10.0.0.1/8"] {
            assert!(matches!(mistake(line), Mistake::Ip6(_)), "{line}");
        }
    }

    #[test]
    fn a_gateway_must_be_a_neighbour() {
        assert_eq!(mistake("gw=10.0.0.1"), Mistake::GatewayOfDhcp);
        assert_eq!(mistake("ip=dhcp gw=10.0.0.1"), Mistake::GatewayOfDhcp);
        assert_eq!(mistake("gw=router"), Mistake::Gateway("router"));
        let elsewhere = Ipv4Addr::new(10, 0, 1, 1);
        assert_eq!(mistake("ip=10.0.0.2/24 gw=10.0.1.1"), Mistake::GatewayElsewhere(elsewhere));
        assert_eq!(mistake("ip=10.0.1.1/24 gw=10.0.1.1"), Mistake::GatewayElsewhere(elsewhere));
    }

    #[test]
    fn unknown_words_and_repetitions_are_refused() {
        assert_eq!(mistake("quiet"), Mistake::Unknown("quiet"));
        assert_eq!(mistake("ipv6=auto"), Mistake::Unknown("ipv6=auto"));
        assert_eq!(mistake("ip=dhcp ip=dhcp"), Mistake::Twice("ip"));
        assert_eq!(mistake("poll=never poll=always"), Mistake::Twice("poll"));
    }

    #[test]
    fn a_card_may_be_kept_from_helping() {
        assert_eq!(parse("").unwrap().offloads, Offloads::On);
        assert_eq!(parse("offloads=on").unwrap().offloads, Offloads::On);
        assert_eq!(parse("offloads=off").unwrap().offloads, Offloads::Off);
        assert_eq!(mistake("offloads=tso"), Mistake::Offloads("tso"));
    }

    #[test]
    fn restarts_are_counted_and_bounded() {
        assert_eq!(parse("").unwrap().restarts, 0);
        assert_eq!(parse("restart=20").unwrap().restarts, 20);
        assert_eq!(mistake("restart=1001"), Mistake::Restarts("1001"));
        assert_eq!(mistake("restart=-1"), Mistake::Restarts("-1"));
    }

    #[test]
    fn every_mistake_says_what_to_write_instead() {
        for (line, advice) in [
            ("quiet", "ip=, gw=, ip6=, poll=, offloads= and restart="),
            ("ip=dhcp ip=dhcp", "keep one"),
            ("ip=x", "ip=192.0.2.2/24"),
            ("ip=127.0.0.1/8", "a free address"),
            ("gw=x", "gw=192.0.2.1"),
            ("ip=10.0.0.2/24 gw=10.0.1.1", "after the / of ip="),
            ("gw=10.0.0.1", "leave it out"),
            ("ip6=x", "ip6=2001:db8::2/64"),
            ("ip6=::/64", "a free address"),
            ("poll=x", "poll=never"),
            ("offloads=x", "offloads=off"),
            ("restart=x", "restart=20"),
            ("virtio_mmio.device=x", "512@0xfeb00e00:12"),
        ] {
            let text = mistake(line).to_string();
            assert!(text.contains(advice), "{line}: {text}");
        }
    }
}
