//! The header of a segment that leaves: written in one place for data, handshakes and replies.

use lendwire_nic::TxPacket;
use zerocopy::IntoBytes;

use super::demux::Tuple;
use super::seq::Seq;
use crate::wire::tcp::{Flags, HEADER_LEN, Header};
use crate::wire::tcp_options::Options;

/// What of a header differs from segment to segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) seq: Seq,
    pub(super) ack: Seq,
    pub(super) flags: Flags,
    /// As it stands in the field: scaled already.
    pub(super) window: u16,
    /// The urgent pointer; `flags` say whether it counts.
    pub(super) urgent: u16,
}

/// Puts the header and `options` in front of `packet`; says which flow it is; the checksum is left to `ip`.
#[inline]
pub(super) fn push(packet: &mut TxPacket<'_>, tuple: &Tuple, fields: Fields, options: &impl Options) {
    let len = HEADER_LEN + options.len();
    let word = offset_and_flags(len, fields.flags);
    let header = Header {
        source_port: tuple.local_port.into(),
        destination_port: tuple.remote_port.into(),
        sequence: fields.seq.0.into(),
        acknowledgment: fields.ack.0.into(),
        data_offset: (word >> 8) as u8,
        flags: word as u8,
        window: fields.window.into(),
        checksum: 0.into(),
        urgent: fields.urgent.into(),
    };
    let bytes = packet.push(len);
    bytes[..HEADER_LEN].copy_from_slice(header.as_bytes());
    options.write(&mut bytes[HEADER_LEN..]);
    packet.flow = tuple.flow();
}

/// The word that says how long a header of `len` bytes is, and its flags (RFC 9293 §3.1).
pub(super) const fn offset_and_flags(len: usize, flags: Flags) -> u16 {
    ((len / 4) as u16) << 12 | flags.bits()
}
