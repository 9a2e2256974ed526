//! The paths whose instructions `cargo xtask counts` counts on the host and `cargo xtask icount` inside of a guest: each
//! does its work once by hand inside of [`Machine::count`], which counts what is inside, and nothing else.
//!
//! What is counted is one stack on the virtio driver, from a call of the application or the driver's ring to the
//! driver's ring or the application: the other end and the wire lie outside, and who counts sees to it that the device's
//! side, in software, is left out where an access of the driver runs into it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod ends;
mod paths;
mod peer;
mod streams;

use alloc::format;
use alloc::string::String;

use ends::{Card, Ends, Shape};
use lendwire_drivers::model::{Memory, ModelRegisters};
use lendwire_drivers::platform::Platform;
use lendwire_drivers::registers::Registers;

/// Where the paths are done: what the driver stands on, and who counts.
pub trait Machine: Sized {
    /// The kernel around the driver.
    type Platform: Platform;
    /// Its way to the registers.
    type Registers: Registers;

    /// The kernel that shares `memory` with the device.
    fn platform(memory: Memory) -> Self::Platform;

    /// The driver's way to the device's registers.
    fn registers(device: ModelRegisters) -> Self::Registers;

    /// Does `work`, which does `path` `times` times, and counts it. A path that takes several turns says 0 for those behind
    /// its first.
    fn count(path: &str, times: usize, work: &mut dyn FnMut());
}

/// Does a path, under its name.
type Path<M> = fn(&mut Ends<M>, &str);

/// Does `work`, which does `path` `times` times.
pub(crate) fn counted<M: Machine, T>(path: &str, times: usize, work: impl FnOnce() -> T) -> T {
    let (mut work, mut done) = (Some(work), None);
    M::count(path, times, &mut || done = work.take().map(|work| work()));
    done.expect("it was done")
}

/// Crowds of connections, and what they are called.
const CROWDS: [(usize, &str); 3] =
    [(1, "1 connection"), (1_000, "1,000 connections"), (100_000, "100,000 connections")];

/// Does those paths whose names contain `filter`, among no more than `most` connections.
pub fn run<M: Machine>(filter: &str, most: usize) {
    let ethernet = |card| Shape { mtu: 1500, card, connections: 1 };
    let (plain, device, segments) = (ethernet(Card::Plain), ethernet(Card::Checksums), ethernet(Card::Segments));
    let jumbo = Shape { mtu: 9052, ..plain };
    let alone: [(&str, Shape, Path<M>); 25] = [
        ("segment sent, device checksum", device, paths::send),
        ("segment sent, stored sum", plain, paths::send),
        ("segment sent, copied and summed", plain, paths::send_copied),
        ("segment received, device checksum", device, paths::receive),
        ("segment received, software checksum", plain, paths::receive),
        ("segment received alone", device, paths::receive_one),
        ("acknowledgment received, in a burst", device, paths::acknowledged),
        ("acknowledgment sent", device, paths::acknowledge),
        ("transaction of 64 B", device, paths::transaction),
        ("connect and close", device, paths::open_and_close),
        ("accept and close", device, paths::accept_and_close),
        ("first packet of 64 B", device, |ends, path| paths::first_packet(ends, path, 64)),
        ("first packet of 64 KiB", device, |ends, path| paths::first_packet(ends, path, 65536)),
        ("first packet of 64 KiB, lent", device, paths::first_packet_lent),
        ("retransmission of 1448 B", plain, paths::retransmission),
        ("retransmission of 9000 B", jumbo, paths::retransmission),
        ("segment sent again in a row, stored sum", plain, paths::retransmission_of_a_row),
        ("segment sent again in a row, device checksum", device, paths::retransmission_of_a_row),
        ("segment sent again in a row, cut by the device", segments, paths::retransmission_of_a_row),
        ("datagram of 64 B received", device, paths::receive_datagrams),
        ("datagram of 64 B sent", device, paths::send_datagrams),
        ("KiB streamed out, no offloads", plain, streams::out),
        ("KiB streamed out, cut by the device", segments, streams::out),
        ("KiB streamed in, no offloads", plain, streams::inward),
        ("KiB streamed in, joined by the device", segments, streams::inward),
    ];
    for (name, shape, path) in alone {
        if name.contains(filter) {
            path(&mut Ends::new(&shape), name);
        }
    }
    let among: [(&str, Path<M>); 3] = [
        ("empty poll", paths::empty_poll),
        ("acknowledgment alone", paths::acknowledged_alone),
        ("64 B received and read", paths::request),
    ];
    for (connections, how_many) in CROWDS.into_iter().filter(|(connections, _)| *connections <= most) {
        let named = among.map(|(name, path)| (format!("{name}, {how_many}"), path));
        let wanted = |(name, _): &&(String, Path<M>)| name.contains(filter);
        if named.iter().any(|named| wanted(&named)) {
            let mut ends = Ends::new(&Shape { connections, ..device });
            named.iter().filter(wanted).for_each(|(name, path)| path(&mut ends, name));
        }
    }
}
