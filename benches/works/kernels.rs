//! The checksum itself, and the copy that sums, beside what memory allows.

use std::hint::black_box;
use std::time::Duration;

use lendwire_nic::{Sum, Work};

use crate::host::Pattern;
use crate::measure::{Runner, timed};
use crate::works::Company;

/// What is done with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// They are summed.
    Sum,
    /// They are copied, and summed in the same step.
    CopyAndSum,
    /// They are copied, and then summed.
    CopyThenSum,
    /// They are only read: wide words, added.
    Read,
    /// They are only copied.
    Copy,
}

fn bytes(len: usize) -> Vec<u8> {
    // Not at the start of a page, as behind headers.
    Pattern::shared().from(2).iter().copied().cycle().take(len).collect()
}

/// A run, and room for its copy, for every row at the same places of their pages: a load that comes behind a store to the same
/// place of another page may wait for it, and copies of 1500 bytes differ by a third for that.
struct Room {
    memory: Vec<u8>,
    from: usize,
    to: usize,
    len: usize,
}

impl Room {
    const PAGE: usize = 4096;

    fn new(len: usize) -> Self {
        let mut memory = vec![0; 2 * len.next_multiple_of(Self::PAGE) + 3 * Self::PAGE];
        let from = memory.as_ptr().align_offset(Self::PAGE) + 2;
        let to = from + len.next_multiple_of(Self::PAGE) + Self::PAGE / 2;
        memory[from..from + len].copy_from_slice(&bytes(len));
        Self { memory, from, to, len }
    }

    fn split(&mut self) -> (&[u8], &mut [u8]) {
        let (front, back) = self.memory.split_at_mut(self.to);
        (&front[self.from..self.from + self.len], &mut back[..self.len])
    }
}

fn repeated<T>(mut run: impl FnMut() -> T + 'static) -> impl FnMut(u64) -> Duration + 'static {
    move |units| {
        timed(|| {
            for _ in 0..units {
                black_box(run());
            }
        })
    }
}

/// Ours first.
#[must_use]
pub fn runners(kernel: Kernel, len: usize, company: Company) -> Vec<Runner> {
    let mut room = Room::new(len);
    let mut runners = vec![match kernel {
        Kernel::Sum => Runner::new("lendwire", repeated(move || Sum::of(black_box(room.split().0)))),
        Kernel::CopyAndSum => Runner::new(
            "lendwire",
            repeated(move || {
                let (from, to) = room.split();
                Sum::of_copied(black_box(from), black_box(to), &mut Work::default())
            }),
        ),
        Kernel::CopyThenSum => Runner::new(
            "lendwire",
            repeated(move || {
                let (from, to) = room.split();
                black_box(to).copy_from_slice(black_box(from));
                Sum::of(black_box(from))
            }),
        ),
        Kernel::Read => Runner::new("read", repeated(move || read(black_box(room.split().0)))),
        Kernel::Copy => Runner::new(
            "memcpy",
            repeated(move || {
                let (from, to) = room.split();
                black_box(to).copy_from_slice(black_box(from));
            }),
        ),
    }];
    if kernel == Kernel::Sum && company == Company::Peers {
        peers(len, &mut runners);
    }
    runners
}

/// As fast as the machine reads: no carry is kept.
fn read(bytes: &[u8]) -> u64 {
    bytes.as_chunks::<8>().0.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

#[cfg(feature = "peers")]
fn peers(len: usize, runners: &mut Vec<Runner>) {
    // They know lengths of 16 bits.
    let sum = |kernel: fn(&[u8]) -> u16| {
        let from = bytes(len);
        repeated(move || from.chunks(65534).map(|piece| kernel(black_box(piece))).max())
    };
    runners.push(Runner::new("smoltcp", sum(smoltcp::wire::checksum::data)));
    #[cfg(lwip)]
    runners.push(Runner::new("lwip", sum(crate::lwip::Lwip::checksum)));
}

#[cfg(not(feature = "peers"))]
fn peers(_: usize, _: &mut Vec<Runner>) {}
