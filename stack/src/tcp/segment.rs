//! A segment that has arrived and was checked: what the rest of TCP trusts.

use core::net::SocketAddr;

use lendwire_nic::{RxPacket, Work};

use super::demux::Tuple;
use super::seq::Seq;
use crate::drops::Reason;
use crate::ip::{Datagram, InterfaceId};
use crate::wire::accurate_ecn::ByteCounts;
use crate::wire::tcp::{self, Flags, Malformed, Segment};
use crate::wire::tcp_options::{HandshakeOptions, SackBlocks, SegmentOptions, Timestamps};

/// See the module.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) tuple: Tuple,
    pub(super) interface: InterfaceId,
    /// The byte that carries DSCP and ECN.
    pub(super) traffic_class: u8,
    pub(super) seq: Seq,
    /// The number of the segment that SEG.ACK and SEG.WND come from: the last one's, where several were made one.
    pub(super) newest: Seq,
    /// SEG.ACK, where the ACK bit is set.
    pub(super) ack: Option<Seq>,
    pub(super) flags: Flags,
    /// SEG.WND, not scaled yet.
    pub(super) window: u16,
    /// RCV.UP as this segment has it, where the URG bit is set: behind the last urgent byte (RFC 9293 MUST-62).
    pub(super) urgent: Option<Seq>,
    /// The options of a SYN.
    pub(super) options: HandshakeOptions,
    /// The timestamps option of any segment.
    pub(super) timestamps: Option<Timestamps>,
    /// Of a segment without SYN.
    pub(super) sack: SackBlocks,
    /// Likewise: how many bytes came to its sender, by ECN codepoint.
    pub(super) byte_counts: Option<ByteCounts>,
    /// It has options besides timestamps.
    pub(super) has_options: bool,
    /// Some of it lay outside of the window, and was cut off.
    pub(super) cut: bool,
    /// Its `segment_size` is smaller than its length, where several were made one.
    pub(super) payload: RxPacket,
}

impl Arrival {
    /// Checks everything about `datagram` that does not depend on a connection.
    pub(super) fn parse(datagram: Datagram, work: &mut Work) -> Result<Self, Reason> {
        let (together, len) = (datagram.transport().len(), datagram.transport_len());
        let segment = Segment::parse(datagram.transport()).map_err(|malformed| match malformed {
            Malformed::Short if len >= tcp::HEADER_LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::TcpShort,
            Malformed::DataOffset if len > together && datagram.transport()[12] >> 4 >= 5 => Reason::HeaderSplit,
            Malformed::DataOffset => Reason::TcpDataOffset,
        })?;
        let (header, flags, header_len) = (*segment.header, segment.flags(), segment.header_len());
        let options = if flags.contains(Flags::SYN) {
            HandshakeOptions::parse(segment.options).map(|options| {
                let timestamps = options.timestamps;
                (options, SegmentOptions { timestamps, ..SegmentOptions::default() })
            })
        } else {
            SegmentOptions::parse(segment.options).map(|options| (HandshakeOptions::default(), options))
        };
        // RFC 9293 MUST-57: a SYN to a group or a broadcast address is dropped silently; so is anything else.
        if !datagram.is_unicast() {
            return Err(Reason::TcpAddress);
        }
        let (source_port, destination_port) = (header.source_port.get(), header.destination_port.get());
        let (interface, source, destination) = (datagram.interface, datagram.source, datagram.destination);
        let traffic_class = datagram.traffic_class;
        // RFC 9293 MUST-3: the checksum comes before anything that the segment says is believed.
        let mut payload = datagram.into_payload(header_len, work).map_err(|_| Reason::TcpChecksum)?;
        // A device may say anything; one segment is one segment.
        payload.segment_size = payload.segment_size.filter(|&size| size > 0 && usize::from(size) < payload.len());
        if source_port == 0 || destination_port == 0 {
            return Err(Reason::TcpPort);
        }
        let (options, SegmentOptions { timestamps, sack, byte_counts }) = options.map_err(|_| Reason::TcpOptions)?;
        let known = timestamps.map_or(0, |_| Timestamps::LEN);
        Ok(Self {
            tuple: Tuple::new(SocketAddr::new(destination, destination_port), SocketAddr::new(source, source_port)),
            interface,
            traffic_class,
            seq: Seq(header.sequence.get()),
            newest: Seq(header.sequence.get()),
            ack: Some(Seq(header.acknowledgment.get())).filter(|_| flags.contains(Flags::ACK)),
            flags,
            window: header.window.get(),
            urgent: Some(Seq(header.sequence.get()) + u32::from(header.urgent.get()))
                .filter(|_| flags.contains(Flags::URG)),
            options,
            timestamps,
            sack,
            byte_counts,
            has_options: header_len != tcp::HEADER_LEN + known,
            cut: false,
            payload,
        })
    }

    /// RFC 9293 §3.10.7.4, first: whether any of it lies in the `window` from `next`.
    pub(super) fn is_acceptable(&self, next: Seq, window: u32) -> bool {
        // RFC 5961 §3.2: a reset counts by its number alone.
        let len = if self.has(Flags::RST) { 0 } else { self.len() };
        let last = self.seq + len.saturating_sub(1);
        match (len, window) {
            (0, 0) => self.seq == next,
            (0, _) => self.seq.within(next, window),
            (_, 0) => false,
            (_, _) => self.seq.within(next, window) || last.within(next, window),
        }
    }

    /// SEG.LEN: data, SYN and FIN.
    pub(super) fn len(&self) -> u32 {
        let controls = self.flags.intersection(Flags::SYN | Flags::FIN).bits().count_ones();
        self.payload.len() as u32 + controls
    }

    /// How many segments this was on the wire.
    pub(super) fn segments(&self) -> u32 {
        self.payload.segment_size.map_or(1, |size| (self.payload.len() as u32).div_ceil(size.into()))
    }

    /// Data bytes of each of them but the last.
    pub(super) fn size(&self) -> usize {
        self.payload.segment_size.map_or(self.payload.len(), usize::from)
    }

    pub(super) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }
}
