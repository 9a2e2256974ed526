//! Transmit descriptors: a context that says how to work, and data that says on what (8254x §3.3, 82574 §7.2).
//!
//! Invariant: a context is a value; two that are equal need not be written twice.

use lendwire_nic::{Checksum, Offload};

use super::segmentation::Cut;

/// What the device does to the packets behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context([u32; 4]);

/// DEXT: not a legacy descriptor.
const EXTENSION: u32 = 1 << 29;
const DATA: u32 = 1 << 20;
const CONTEXT_TCP: u32 = 1 << 24;
const CONTEXT_IPV4: u32 = 1 << 25;
const SEGMENT: u32 = 1 << 26;
const END_OF_PACKET: u32 = 1 << 24;
const INSERT_FRAME_CHECK: u32 = 1 << 25;
const INSERT_VLAN: u32 = 1 << 30;
/// RS: the device says when it is done.
pub(super) const REPORT: u32 = 1 << 27;
/// DD, in the last word: it is.
pub(super) const DONE: u32 = 1;
const NETWORK_CHECKSUM: u32 = 1 << 8;
const TRANSPORT_CHECKSUM: u32 = 1 << 9;

/// The offset of TCP's checksum in its header: whose checksum it is decides what becomes of a zero.
const TCP_CHECKSUM: u16 = 16;

impl Context {
    /// For a checksum that starts at byte `start` of the frame and is stored `offset` bytes behind.
    pub(super) fn filling(start: u8, offset: u16) -> Self {
        let tcp = if offset == TCP_CHECKSUM { CONTEXT_TCP } else { 0 };
        let place = (u16::from(start) + offset) & 0xff;
        // TUCSE is zero: to the end of the packet.
        Self([0, u32::from(start) | u32::from(place) << 8, EXTENSION | tcp, 0])
    }

    pub(super) fn cutting(cut: &Cut) -> Self {
        let end = u32::from(cut.transport) - 1;
        let network = u32::from(cut.network) | u32::from(cut.network_checksum()) << 8 | end << 16;
        let transport = u32::from(cut.transport) | u32::from(cut.checksum) << 8;
        let version = if cut.is_ipv6 { 0 } else { CONTEXT_IPV4 };
        let command = u32::from(cut.payload_len) | EXTENSION | CONTEXT_TCP | SEGMENT | version;
        Self([network, transport, command, u32::from(cut.header_len) << 8 | u32::from(cut.size) << 16])
    }

    /// The descriptor.
    pub(super) const fn words(&self) -> [u32; 4] {
        self.0
    }
}

/// What all data descriptors of a packet have in common. Every one of them says everything: 82540EM and 82574L differ in
/// which they look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    command: u32,
    options: u32,
}

/// Where a descriptor stands in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Others follow.
    Before,
    /// It is the last.
    Last,
}

impl Work {
    /// For a packet with `offload`; `cut` where it is to be cut.
    pub(super) fn of(offload: &Offload, cut: Option<&Cut>) -> Self {
        let mut work = Self { command: DATA | EXTENSION | INSERT_FRAME_CHECK, options: 0 };
        match offload.checksum {
            Checksum::Done => {}
            Checksum::Fill { .. } => work.options |= TRANSPORT_CHECKSUM,
        }
        if let Some(cut) = cut {
            work.command |= SEGMENT;
            if !cut.is_ipv6 {
                work.options |= NETWORK_CHECKSUM;
            }
        }
        if let Some(tag) = offload.vlan {
            work.command |= INSERT_VLAN;
            work.options |= u32::from(tag) << 16;
        }
        work
    }

    /// The third word for a buffer of `len` bytes.
    pub(super) const fn command(self, len: u32, place: Place) -> u32 {
        let end = match place {
            Place::Before => 0,
            Place::Last => END_OF_PACKET,
        };
        self.command | end | len
    }

    /// The fourth word: the device has not reported yet.
    pub(super) const fn options(self) -> u32 {
        self.options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cut = Cut {
        size: 1448,
        is_ipv6: false,
        network: 14,
        transport: 34,
        checksum: 50,
        header_len: 66,
        payload_len: 60_000,
    };

    #[test]
    fn a_checksum_context_says_where_to_start_and_where_to_store() {
        let [network, transport, command, status] = Context::filling(34, 16).words();
        assert_eq!((network, status), (0, 0));
        assert_eq!(transport, 34 | 50 << 8);
        // DEXT and TCP, and no data: DTYP 0.
        assert_eq!(command, 0x2100_0000);
        assert_eq!(Context::filling(34, 6).words()[2], 0x2000_0000);
    }

    #[test]
    fn a_segmentation_context_says_everything_about_the_headers() {
        let [network, transport, command, sizes] = Context::cutting(&CUT).words();
        assert_eq!(network, 14 | 24 << 8 | 33 << 16);
        assert_eq!(transport, 34 | 50 << 8);
        assert_eq!(command, 0x2700_0000 | 60_000);
        assert_eq!(sizes, 66 << 8 | 1448 << 16);
        assert_eq!(Context::cutting(&Cut { is_ipv6: true, ..CUT }).words()[2], 0x2500_0000 | 60_000);
    }

    #[test]
    fn data_says_what_is_to_be_inserted() {
        let fill = Offload { checksum: Checksum::Fill { start: 34, offset: 16 }, ..Offload::default() };
        let plain = Work::of(&Offload::default(), None);
        assert_eq!((plain.command(100, Place::Before), plain.options()), (0x2210_0064, 0));
        assert_eq!(plain.command(100, Place::Last), 0x2310_0064);
        assert_eq!(Work::of(&fill, None).options(), 0x200);
        let cut = Work::of(&fill, Some(&CUT));
        assert_eq!((cut.command(100, Place::Last), cut.options()), (0x2710_0064, 0x300));
        assert_eq!(Work::of(&fill, Some(&Cut { is_ipv6: true, ..CUT })).options(), 0x200);
        let tagged = Work::of(&Offload { vlan: Some(0xa064), ..fill }, None);
        assert_eq!((tagged.command(1, Place::Last), tagged.options()), (0x6310_0001, 0xa064_0200));
    }
}
