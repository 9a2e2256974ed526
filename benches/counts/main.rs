//! The paths whose instructions `cargo xtask counts` counts: each does its work once by hand inside of [`counted`], and
//! callgrind counts what is inside, and nothing else.
//!
//! What is counted is one stack on the virtio driver, from a call of the application or the driver's ring to the
//! driver's ring or the application: the device's side in software, the other end and the wire lie outside, and what of the
//! device's side an access of the driver runs into is told apart by its source file. Nothing depends on the machine but
//! the C library's `memcpy` and the kernel of the checksum.
//!
//! Each line on the standard output names one dump of callgrind, in order: a path, and how often it was done.

mod ends;
mod paths;
mod peer;

use ends::{Checksums, Ends, Shape};

/// Does `work`, which does `path` `times` times.
pub(crate) fn counted<T>(path: &str, times: usize, work: impl FnOnce() -> T) -> T {
    println!("{path}\t{times}");
    let (mut work, mut done) = (Some(work), None);
    enclosed(&mut || done = work.take().map(|work| work()));
    done.expect("it was done")
}

/// What callgrind is told to look at, by this name: it counts while this runs, and dumps when it returns.
#[inline(never)]
fn enclosed(work: &mut dyn FnMut()) {
    work();
}

fn main() {
    let ethernet = |checksums| Shape { mtu: 1500, checksums, connections: 1 };
    let (device, software) = (ethernet(Checksums::Device), ethernet(Checksums::Software));

    paths::send(&mut Ends::new(&device), "segment sent, device checksum");
    paths::send(&mut Ends::new(&software), "segment sent, stored sum");
    paths::send_copied(&mut Ends::new(&software), "segment sent, copied and summed");
    paths::receive(&mut Ends::new(&device), "segment received, device checksum");
    paths::receive(&mut Ends::new(&software), "segment received, software checksum");
    paths::receive_one(&mut Ends::new(&device), "segment received alone");
    paths::acknowledged(&mut Ends::new(&device), "acknowledgment received, in a burst");
    paths::acknowledge(&mut Ends::new(&device), "acknowledgment sent");
    paths::transaction(&mut Ends::new(&device), "transaction of 64 B");
    paths::open_and_close(&mut Ends::new(&device), "connect and close");
    paths::accept_and_close(&mut Ends::new(&device), "accept and close");
    paths::first_packet(&mut Ends::new(&device), "first packet of 64 B", 64);
    paths::first_packet(&mut Ends::new(&device), "first packet of 64 KiB", 65536);
    paths::first_packet_lent(&mut Ends::new(&device), "first packet of 64 KiB lent");
    paths::retransmission(&mut Ends::new(&software), "retransmission of 1448 B");
    paths::retransmission(&mut Ends::new(&Shape { mtu: 9052, ..software }), "retransmission of 9000 B");
    paths::datagrams(&mut Ends::new(&device));
    for (connections, name) in [(1, "1 connection"), (1_000, "1,000 connections"), (100_000, "100,000 connections")] {
        let mut ends = Ends::new(&Shape { connections, ..device });
        paths::empty_poll(&mut ends, &format!("empty poll, {name}"));
        paths::acknowledged_alone(&mut ends, &format!("acknowledgment alone, {name}"));
        paths::request(&mut ends, &format!("64 B received and read, {name}"));
    }
}
