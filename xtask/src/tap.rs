//! What the host says of a TAP device: that it is there and up, and which address the guest takes beside it.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::install;

/// An IPv4 address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the network, 0 to 32.
    pub prefix: u8,
}

impl Cidr {
    /// Reads `A.B.C.D/N`.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some(Cidr { address: address.parse().ok()?, prefix })
    }

    /// The neighbour that the guest becomes: the next address of the same network, or the one before where the next is
    /// the broadcast address. `None` where the network has no room.
    pub fn neighbour(self) -> Option<Cidr> {
        if self.prefix == 32 {
            return None;
        }
        let own = u32::from(self.address);
        let hosts = u32::MAX >> self.prefix;
        let is_usable = |candidate: u32| {
            let host = candidate & hosts;
            let same_network = (candidate ^ own) & !hosts == 0;
            // RFC 3021: both addresses of a /31 are hosts.
            same_network && (self.prefix == 31 || (host != 0 && host != hosts))
        };
        let candidates = [own.wrapping_add(1), own.wrapping_sub(1)];
        let chosen = candidates.into_iter().find(|candidate| is_usable(*candidate))?;
        Some(Cidr { address: Ipv4Addr::from(chosen), prefix: self.prefix })
    }
}

/// Checks that `name` is a TAP device that is up and has as many pairs of queues as the guest's card.
///
/// # Errors
/// [`Failure::Missing`] with the commands that make it so.
pub fn check(name: &str, queue_pairs: u16) -> Result<(), Failure> {
    let queues = if queue_pairs > 1 { " multi_queue" } else { "" };
    let creation = |name: &str| creation(name, queues);
    let device = Path::new("/sys/class/net").join(name);
    if !device.exists() {
        return Err(Failure::Missing(format!(
            "there is no network device {name}. Create it as root:\n{}",
            creation(name)
        )));
    }
    let Some(tun_flags) = flags(&device.join("tun_flags")) else {
        return Err(Failure::Missing(format!(
            "{name} is not a TAP device. Choose another name and create it as root:\n{}",
            creation("lend0")
        )));
    };
    // The kernel opens a device only as it was made (linux/if_tun.h).
    const IFF_MULTI_QUEUE: u32 = 0x100;
    if (tun_flags & IFF_MULTI_QUEUE != 0) != (queue_pairs > 1) {
        let has = if queue_pairs > 1 { "one pair of queues" } else { "several queues" };
        return Err(Failure::Missing(format!(
            "{name} was made with {has}, which does not fit this card. Choose another name and create it as root:\n{}",
            creation("lend1")
        )));
    }
    const IFF_UP: u32 = 1;
    if flags(&device.join("flags")).unwrap_or(0) & IFF_UP == 0 {
        return Err(Failure::Missing(format!("{name} is down. Bring it up as root:\n    ip link set {name} up")));
    }
    Ok(())
}

/// A hexadecimal number of a device's file; `None` where it has no such file.
fn flags(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// The first IPv4 address of a device, if it has one.
pub fn address(name: &str) -> Option<Cidr> {
    let ip = install::find("ip")?;
    let output = Command::new(ip).args(["-4", "-o", "addr", "show", "dev", name]).output().ok()?;
    first_address(&String::from_utf8_lossy(&output.stdout))
}

/// The first address of `ip -4 -o addr show`.
fn first_address(listing: &str) -> Option<Cidr> {
    let mut words = listing.split_whitespace();
    words.find(|word| *word == "inet")?;
    Cidr::parse(words.next()?)
}

fn creation(name: &str, queues: &str) -> String {
    format!(
        "    ip tuntap add dev {name} mode tap{queues} user \"$(logname)\"\n    ip addr add 10.77.0.1/24 dev {name}\n    ip link set {name} up"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn neighbour(of: &str) -> Option<String> {
        let cidr = Cidr::parse(of).expect("an address with a prefix length");
        cidr.neighbour().map(|guest| format!("{}/{}", guest.address, guest.prefix))
    }

    #[test]
    fn the_guest_takes_the_next_address() {
        assert_eq!(neighbour("10.77.0.1/24").as_deref(), Some("10.77.0.2/24"));
        assert_eq!(neighbour("10.0.0.255/16").as_deref(), Some("10.0.1.0/16"));
    }

    #[test]
    fn never_the_broadcast_address_nor_the_network_nor_another_network() {
        assert_eq!(neighbour("10.77.0.254/24").as_deref(), Some("10.77.0.253/24"));
        assert_eq!(neighbour("10.0.0.2/30").as_deref(), Some("10.0.0.1/30"));
        assert_eq!(neighbour("10.0.0.3/31").as_deref(), Some("10.0.0.2/31"));
        assert_eq!(neighbour("10.0.0.3/32"), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "10.0.0.1", "10.0.0.1/33", "10.0.0/8", "dhcp"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_listing_of_ip_is_read() {
        let listing = "7: lend0    inet 10.77.0.1/24 brd 10.77.0.255 scope global lend0\\       valid_lft forever\n";
        assert_eq!(first_address(listing), Cidr::parse("10.77.0.1/24"));
        assert_eq!(first_address(""), None);
    }

    #[test]
    fn a_device_that_is_not_there_or_no_tap_says_how_to_make_one() {
        let Err(Failure::Missing(absent)) = check("nosuchtap0", 1) else { panic!("accepted") };
        let Err(Failure::Missing(queues)) = check("nosuchtap0", 4) else { panic!("accepted") };
        assert!(queues.contains("mode tap multi_queue user"), "{queues}");
        assert!(absent.contains("ip tuntap add dev nosuchtap0 mode tap"), "{absent}");
        let Err(Failure::Missing(loopback)) = check("lo", 1) else { panic!("accepted") };
        assert!(loopback.contains("lo is not a TAP device"), "{loopback}");
    }
}
