//! Secret bytes for the stack's keyed hashes: the seed that the machine's maker left in the device tree.

use super::device_tree;
use crate::arch::{exit, serial};

/// Where the bytes came from; the serial line says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `/chosen/rng-seed`, which QEMU fills from its host's generator.
    RngSeed,
}

/// Sixteen secret bytes. Without a seed there is no run: these processors have nothing else that all of them share, and
/// a guessable secret lets strangers into connections.
pub(crate) fn secret() -> ([u8; 16], Source) {
    match device_tree::tree().seed() {
        Some(secret) => (secret, Source::RngSeed),
        None => {
            serial::line(format_args!(
                "lendwire: the device tree has no seed: start the machine with QEMU 7.1 or newer"
            ));
            exit::fail()
        }
    }
}
