//! What a packet costs in bulk, by the guest's own counters: nothing copied, nothing read where the card reads, and few
//! doorbells and interrupts.

use xtask::bulk::{self, Transfer};
use xtask::probe::Client;
use xtask::qemu::{Guest, KernelLine, Net, Nic, Offloads, Options, Service};

use super::PATIENCE;
use super::room::{self, GUEST, HOST};

/// Each way. Long enough that the slow start does not show.
const BYTES: u64 = 128_000_000;

#[test]
fn bulk_costs_few_doorbells_and_interrupts_on_virtio() {
    room::inside("bulk::bulk_costs_few_doorbells_and_interrupts_on_virtio", || both_ways(Nic::Virtio));
}

#[test]
fn bulk_costs_few_doorbells_and_interrupts_on_e1000e() {
    room::inside("bulk::bulk_costs_few_doorbells_and_interrupts_on_e1000e", || both_ways(Nic::E1000e));
}

fn both_ways(nic: Nic) {
    let tap = room::build();
    for offloads in [Offloads::On, Offloads::Off] {
        for transfer in measure(tap, nic, offloads) {
            println!("{nic:?}, offloads {offloads:?}: {transfer}");
            check(&transfer, offloads);
        }
    }
}

fn measure(tap: &str, nic: Nic, offloads: Offloads) -> [Transfer; 2] {
    let mut options = Options::new(xtask::image::path().unwrap_or_else(|failure| panic!("{failure}")));
    options.net = Net::Tap(tap.into());
    (options.nic, options.offloads) = (nic, offloads);
    options.kernel =
        KernelLine { ip: Some(format!("{GUEST}/24")), gw: Some(HOST.to_string()), ..KernelLine::default() };
    let mut guest = Guest::boot(options).unwrap_or_else(|failure| panic!("{failure}"));
    guest.wait_ready(PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    let client = Client::new(guest.address(Service::Http).expect("the guest has an address"), PATIENCE);
    bulk::measure(&guest, &client, BYTES).unwrap_or_else(|failure| panic!("{failure}\n{:#?}", guest.log()))
}

#[track_caller]
fn check(transfer: &Transfer, offloads: Offloads) {
    assert_eq!(transfer.copied, 0, "{transfer}");
    if offloads == Offloads::On {
        assert_eq!((transfer.summed, transfer.verified), (0, 0), "{transfer}");
    }
    // At most one in fifty packets.
    assert!(transfer.kicks * 50 <= transfer.packets(), "{transfer}");
    assert!(transfer.interrupts * 50 <= transfer.packets(), "{transfer}");
}
