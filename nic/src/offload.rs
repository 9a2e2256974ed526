//! What the two sides of the seam leave to each other: checksums, segmentation, VLAN tags.
//!
//! The vocabulary is that of virtio 1.2 §5.1.6 and Linux: a driver never parses a frame to learn any of this.

bitflags::bitflags! {
    /// What a device can do for the stack.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Offloads: u16 {
        /// It completes a transport checksum ([`Checksum::Fill`]).
        const TX_CHECKSUM = 1;
        /// It cuts TCP over IPv4 into segments.
        const TX_SEGMENT_V4 = 1 << 1;
        /// It cuts TCP over IPv6 into segments.
        const TX_SEGMENT_V6 = 1 << 2;
        /// It segments packets with CWR set (RFC 3168 §6.1.2).
        const TX_SEGMENT_ECN = 1 << 3;
        /// It may say of a received frame that its checksum was checked.
        const RX_CHECKSUM = 1 << 4;
        /// It may hand up several TCP segments as one.
        const RX_COALESCE = 1 << 5;
        /// It inserts 802.1Q tags.
        const VLAN_INSERT = 1 << 6;
        /// It strips 802.1Q tags.
        const VLAN_STRIP = 1 << 7;
    }
}

/// What a transmitted packet still needs from the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The transport checksum.
    pub checksum: Checksum,
    /// Cutting into segments.
    pub segmentation: Option<Segmentation>,
    /// An 802.1Q tag control field to insert.
    pub vlan: Option<u16>,
}

/// The state of a transmitted packet's transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// It is in place, or there is none.
    #[default]
    Done,
    /// The device sums from byte `start` of the frame to its end, and stores the complement `offset` bytes behind
    /// `start`, where the pseudo-header's folded sum stands now.
    Fill {
        /// Bytes from the start of the frame.
        start: u16,
        /// Bytes from `start`.
        offset: u16,
    },
}

/// A large TCP packet that the device cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Payload bytes of each segment but the last.
    pub size: u16,
    /// Whether the network header is IPv6's.
    pub ipv6: bool,
    /// Whether CWR is set, which only the first segment keeps.
    pub ecn: bool,
}

/// What a device says of a received frame's transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Received {
    /// Nothing: software checks.
    #[default]
    Unchecked,
    /// It is right.
    Checked,
    /// The frame never left this machine: its checksum was not completed, its bytes are sound (virtio's NEEDS_CSUM).
    Local {
        /// Where the sum would start, in bytes from the start of the frame.
        start: u16,
        /// Where it would be stored, in bytes from `start`.
        offset: u16,
    },
}
