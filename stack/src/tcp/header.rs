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

/// Gives a packet that is complete, with options of `options_len` bytes, another number; the checksum is left to `ip`.
pub(super) fn set_sequence(packet: &mut TxPacket<'_>, options_len: usize, seq: Seq) {
    let header = packet.header_mut();
    let at = header.len() - options_len - HEADER_LEN + 4;
    header[at..at + 4].copy_from_slice(&seq.0.to_be_bytes());
}

/// Puts the header and `options` in front of `packet`; says which flow it is; the checksum is left to `ip`.
#[inline]
pub(super) fn push(packet: &mut TxPacket<'_>, tuple: &Tuple, fields: Fields, options: &impl Options) {
    let len = HEADER_LEN + options.len();
    let header = Header {
        source_port: tuple.local_port.into(),
        destination_port: tuple.remote_port.into(),
        sequence: fields.seq.0.into(),
        acknowledgment: fields.ack.0.into(),
        data_offset: ((len / 4) as u8) << 4 | (fields.flags.bits() >> 8) as u8,
        flags: fields.flags.bits() as u8,
        window: fields.window.into(),
        checksum: 0.into(),
        urgent: fields.urgent.into(),
    };
    let bytes = packet.push(len);
    bytes[..HEADER_LEN].copy_from_slice(header.as_bytes());
    options.write(&mut bytes[HEADER_LEN..]);
    packet.flow = tuple.flow();
}
