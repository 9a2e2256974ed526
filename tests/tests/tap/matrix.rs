//! Every card, with and without what it takes off the guest: an address by DHCP, echo, `/1m`, 16 MB with their CRC-32,
//! what a packet costs in bulk, and every frame of it judged.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use xtask::qemu::{Guest, Nic, Offloads, Options};

use super::capture::{Capture, Completed};
use super::clients::{Checked, Target};
use super::lease::Server;
use super::room::{self, CAPTURED};
use super::{PATIENCE, bulk};

#[test]
fn virtio_over_pci() {
    card("matrix::virtio_over_pci", Nic::Virtio);
}

#[test]
fn virtio_with_packed_rings() {
    card("matrix::virtio_with_packed_rings", Nic::VirtioPacked);
}

#[test]
fn virtio_as_memory_mapped_registers() {
    card("matrix::virtio_as_memory_mapped_registers", Nic::VirtioMmio);
}

#[test]
fn virtio_with_several_pairs_of_queues() {
    card("matrix::virtio_with_several_pairs_of_queues", Nic::VirtioMq);
}

#[test]
fn e1000() {
    card("matrix::e1000", Nic::E1000);
}

#[test]
fn e1000e() {
    card("matrix::e1000e", Nic::E1000e);
}

/// Runs one card's row, which is the whole of the test `name`.
fn card(name: &str, nic: Nic) {
    room::inside(name, || {
        let tap = room::build(nic.queue_pairs());
        let _dhcp = Server::start();
        for offloads in [Offloads::On, Offloads::Off] {
            cell(tap, nic, offloads);
        }
    });
}

fn cell(tap: &str, nic: Nic, offloads: Offloads) {
    let begun = Instant::now();
    let mut capture = Capture::start(CAPTURED);
    let mut options = Options::new(xtask::image::path().unwrap_or_else(|failure| panic!("{failure}")));
    options.net = xtask::qemu::Net::Tap(tap.into());
    (options.nic, options.offloads) = (nic, offloads);
    // Addresses of its own for each guest, so that Linux's old connections do not meet a new one.
    let host = 0x10 + offloads as u16;
    options.properties.push(format!("mac=52:54:00:12:34:{host:02x}"));
    let ip6 = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, host);
    options.kernel.ip6 = Some(format!("{ip6}/64"));
    let mut guest = Guest::boot(options).unwrap_or_else(|failure| panic!("{failure}"));
    let ready = guest.wait_ready(PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    let ip = ready.ip4.expect("an address is leased");
    assert!(Server::gives(ip), "{ip} is not leased");
    let local = *ready.ip6.iter().find(|it| it.is_unicast_link_local()).expect("the guest has a link-local address");
    let target = Target { ip: IpAddr::V4(ip), ip6, local };

    target.answers_pings();
    target.echoes_datagrams();
    target.echoes_a_stream(2_000_000);
    let costs = match offloads {
        Offloads::On => Completed::ByLinux,
        Offloads::Off => Completed::ByGuest,
    };
    target.serves_a_page(costs);
    target.digests(16 << 20, checks(nic, offloads));
    target.has_lost_nothing();

    says_what_it_is(&guest, nic, offloads);
    let packets = capture.stop();
    // At this speed a capture would miss frames.
    bulk::costs_little(&guest, offloads, checks(nic, offloads));
    guest.check().unwrap_or_else(|failure| panic!("{failure}"));
    drop(guest);
    let judged = capture.judge(&ready.mac, costs);
    println!("{nic:?}, offloads {offloads:?}: {:.1} s, {judged:?} of {packets} packets", begun.elapsed().as_secs_f64());
    judged.assert_sound(1_500);
}

/// Who checks what the guest receives: the 82540EM of QEMU leaves that to the driver, whatever it could do.
fn checks(nic: Nic, offloads: Offloads) -> Checked {
    match (offloads, nic) {
        (Offloads::Off, _) | (Offloads::On, Nic::E1000) => Checked::ByGuest,
        (Offloads::On, Nic::Virtio | Nic::VirtioPacked | Nic::VirtioMmio | Nic::VirtioMq | Nic::E1000e) => {
            Checked::ByDevice
        }
    }
}

/// The guest's own word for its card, so that no cell is another one in disguise.
fn says_what_it_is(guest: &Guest, nic: Nic, offloads: Offloads) {
    let line = guest.log().iter().find(|line| line.contains("pairs of queues")).expect("the guest names its card");
    let (name, pairs, interrupts) = match nic {
        Nic::Virtio => ("virtio-net with split rings", 1, "by messages"),
        Nic::VirtioPacked => ("virtio-net with packed rings", 1, "by messages"),
        Nic::VirtioMmio => ("virtio-net with split rings", 1, "on line"),
        Nic::VirtioMq => ("virtio-net with split rings", nic.queue_pairs(), "by messages"),
        Nic::E1000 => ("e1000", 1, "on line"),
        Nic::E1000e => ("e1000e", 1, "by messages"),
    };
    assert!(line.contains(&format!(", {name}, pairs of queues: {pairs}, ")), "{nic:?}: {line}");
    assert!(line.contains(interrupts), "{nic:?}: {line}");
    // What the 82540EM makes of IPv6 is wrong on the wire, so its driver leaves it alone.
    let cuts_ipv6 = offloads == Offloads::On && nic != Nic::E1000;
    for (offload, expected) in [
        ("TX_CHECKSUM", offloads == Offloads::On),
        ("TX_SEGMENT_V4", offloads == Offloads::On),
        ("TX_SEGMENT_V6", cuts_ipv6),
    ] {
        assert_eq!(line.contains(offload), expected, "{nic:?}, {offload}: {line}");
    }
}
