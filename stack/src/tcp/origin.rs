//! How a connection came to be, as far as it matters later: one byte.

use bitflags::bitflags;

bitflags! {
    /// See the module.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Origin: u8 {
        /// More than one SYN of ours was lost (RFC 6928 §2).
        const LOST_SYNS = 1;
        /// Its SYN-ACK is not acknowledged yet: see `fast_open`.
        const EARLY = 1 << 1;
        /// Data that came, or went, with the SYN was acknowledged by the SYN-ACK (RFC 7413).
        const SYN_DATA = 1 << 2;
    }
}
