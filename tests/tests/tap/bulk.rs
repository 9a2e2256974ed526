//! What a packet costs in bulk, by the guest's own counters: nothing copied, nothing read where the card reads, and few
//! doorbells and interrupts.

use xtask::bulk::{self, Transfer};
use xtask::probe::Client;
use xtask::qemu::{Guest, Offloads, Service};

use super::PATIENCE;
use super::clients::Checked;

/// Each way. Long enough that the slow start does not show.
const BYTES: u64 = 128_000_000;

/// A long transfer each way with a guest that is ready.
pub(crate) fn costs_little(guest: &Guest, offloads: Offloads, checked: Checked) {
    let client = Client::new(guest.address(Service::Http).expect("the guest has an address"), PATIENCE);
    let transfers =
        bulk::measure(guest, &client, BYTES).unwrap_or_else(|failure| panic!("{failure}\n{:#?}", guest.log()));
    for transfer in transfers {
        println!("{transfer}");
        check(&transfer, offloads, checked);
    }
}

#[track_caller]
fn check(transfer: &Transfer, offloads: Offloads, checked: Checked) {
    assert_eq!(transfer.copied, 0, "{transfer}");
    if offloads == Offloads::On {
        assert_eq!(transfer.summed, 0, "{transfer}");
    }
    if checked == Checked::ByDevice {
        assert_eq!(transfer.verified, 0, "{transfer}");
    }
    // One a burst, which is 64 frames at the most, and fewer where a busy host hands them over in smaller lots: 46 were seen.
    assert!(transfer.kicks * 30 <= transfer.packets(), "{transfer}");
    // At most one in fifty packets.
    assert!(transfer.interrupts * 50 <= transfer.packets(), "{transfer}");
}
