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

/// Does a path, under its name.
type Path = fn(&mut Ends, &str);

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

/// Without an argument all paths, with one those whose name contains it.
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let ethernet = |checksums| Shape { mtu: 1500, checksums, connections: 1 };
    let (device, software) = (ethernet(Checksums::Device), ethernet(Checksums::Software));
    let jumbo = Shape { mtu: 9052, ..software };
    let alone: [(&str, Shape, Path); 18] = [
        ("segment sent, device checksum", device, paths::send),
        ("segment sent, stored sum", software, paths::send),
        ("segment sent, copied and summed", software, paths::send_copied),
        ("segment received, device checksum", device, paths::receive),
        ("segment received, software checksum", software, paths::receive),
        ("segment received alone", device, paths::receive_one),
        ("acknowledgment received, in a burst", device, paths::acknowledged),
        ("acknowledgment sent", device, paths::acknowledge),
        ("transaction of 64 B", device, paths::transaction),
        ("connect and close", device, paths::open_and_close),
        ("accept and close", device, paths::accept_and_close),
        ("first packet of 64 B", device, |ends, path| paths::first_packet(ends, path, 64)),
        ("first packet of 64 KiB", device, |ends, path| paths::first_packet(ends, path, 65536)),
        ("first packet of 64 KiB, lent", device, paths::first_packet_lent),
        ("retransmission of 1448 B", software, paths::retransmission),
        ("retransmission of 9000 B", jumbo, paths::retransmission),
        ("datagram of 64 B received", device, paths::receive_datagrams),
        ("datagram of 64 B sent", device, paths::send_datagrams),
    ];
    for (name, shape, path) in alone {
        if name.contains(&filter) {
            path(&mut Ends::new(&shape), name);
        }
    }
    let among: [(&str, Path); 3] = [
        ("empty poll", paths::empty_poll),
        ("acknowledgment alone", paths::acknowledged_alone),
        ("64 B received and read", paths::request),
    ];
    for (connections, how_many) in [(1, "1 connection"), (1_000, "1,000 connections"), (100_000, "100,000 connections")]
    {
        let wanted = among.map(|(name, path)| (format!("{name}, {how_many}"), path));
        let wanted: Vec<_> = wanted.into_iter().filter(|(name, _)| name.contains(&filter)).collect();
        if !wanted.is_empty() {
            let mut ends = Ends::new(&Shape { connections, ..device });
            wanted.iter().for_each(|(name, path)| path(&mut ends, name));
        }
    }
}
