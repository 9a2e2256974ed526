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
    let from = bytes(len);
    let mut to = vec![0; len];
    let mut runners = vec![match kernel {
        Kernel::Sum => Runner::new("lendwire", repeated(move || Sum::of(black_box(&from)))),
        Kernel::CopyAndSum => Runner::new(
            "lendwire",
            repeated(move || Sum::of_copied(black_box(&from), black_box(&mut to), &mut Work::default())),
        ),
        Kernel::CopyThenSum => Runner::new(
            "lendwire",
            repeated(move || {
                black_box(&mut to[..]).copy_from_slice(black_box(&from));
                Sum::of(black_box(&from))
            }),
        ),
        Kernel::Read => Runner::new("read", repeated(move || read(black_box(&from)))),
        Kernel::Copy => {
            Runner::new("memcpy", repeated(move || black_box(&mut to[..]).copy_from_slice(black_box(&from))))
        }
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
