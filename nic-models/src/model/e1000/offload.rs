//! Checksums inserted and segments cut, on the bytes (SDM §3.5, DS §7.3).
//!
//! Software seeds the transport checksum with the pseudo-header's folded sum; where the device segments, without the
//! length, which it adds for each segment (SDM §3.5.7).

use alloc::vec::Vec;

/// What a context descriptor says (SDM §3.3.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    ip: Run,
    transport: Run,
    /// Payload bytes of a packet to be cut.
    payload: usize,
    header: usize,
    segment: usize,
    is_tcp: bool,
    pub(super) is_v4: bool,
    pub(super) is_segmenting: bool,
}

/// A run of bytes with a checksum in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    start: usize,
    at: usize,
    /// The last byte; the frame's last where it is 0.
    end: usize,
}

const TCP: u8 = 1;
const IPV4: u8 = 1 << 1;
const TSE: u8 = 1 << 2;
/// Options of data descriptors: the checksum of the IPv4 header, and of the transport.
const IXSM: u8 = 1;
const TXSM: u8 = 1 << 1;

const FIN_AND_PSH: u8 = 0b1001;

impl Context {
    pub(super) fn of(bytes: &[u8; 16]) -> Self {
        let half = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let run = |at: usize| Run { start: bytes[at].into(), at: bytes[at + 1].into(), end: half(at + 2) };
        let command = bytes[11];
        let context = Self {
            ip: run(0),
            transport: run(4),
            payload: half(8) | usize::from(bytes[10] & 0xf) << 16,
            header: bytes[13].into(),
            segment: half(14),
            is_tcp: command & TCP != 0,
            is_v4: command & IPV4 != 0,
            is_segmenting: command & TSE != 0,
        };
        if context.is_segmenting {
            assert!(context.is_tcp, "only TCP is segmented");
            assert!(context.segment > 0 && context.payload > 0, "segments have a size: {context:?}");
            assert!(context.header >= context.transport.start + 20, "the header is whole: {context:?}");
        }
        context
    }

    /// What a legacy descriptor asks for: one checksum to the end.
    pub(super) fn legacy(start: u8, at: u8) -> Run {
        Run { start: start.into(), at: at.into(), end: 0 }
    }
}

impl Run {
    pub(super) fn insert(self, frame: &mut [u8]) {
        let end = if self.end == 0 { frame.len() } else { self.end + 1 };
        let place = self.at..self.at + 2;
        assert!(self.start <= self.at && place.end <= end && end <= frame.len(), "{self:?} in {} bytes", frame.len());
        // A sum of zero is written as all ones, which is the same number and means «there is one» to UDP.
        let sum = match !folded(&frame[self.start..end]) {
            0 => 0xffff,
            sum => sum,
        };
        frame[place].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Fills the checksums that `options` ask for.
pub(super) fn insert_checksums(context: &Context, options: u8, frame: &mut [u8]) {
    if options & TXSM != 0 {
        context.transport.insert(frame);
    }
    if options & IXSM != 0 {
        assert!(context.is_v4, "only IPv4 has a header checksum");
        assert_eq!(word(frame, context.ip.at), 0, "the header's checksum starts from zero");
        context.ip.insert(frame);
    }
}

/// The frames that `packet` is cut into.
pub(super) fn cut(context: &Context, options: u8, packet: &[u8]) -> Vec<Vec<u8>> {
    assert!(context.is_segmenting, "the context is for segments: {context:?}");
    let (header, payload) = packet.split_at(context.header);
    assert_eq!(payload.len(), context.payload, "the payload is as long as the context says");
    assert!(options & TXSM != 0, "a cut segment needs a new checksum");
    assert_eq!(options & IXSM != 0, context.is_v4, "a cut IPv4 header needs a new checksum, and no other has one");
    let segments: Vec<&[u8]> = payload.chunks(context.segment).collect();
    let cut = segments.iter().enumerate().map(|(index, segment)| {
        let mut frame = [header, segment].concat();
        let is_last = index + 1 == segments.len();
        number(context, &mut frame, index, is_last);
        insert_checksums(context, options, &mut frame);
        frame
    });
    cut.collect()
}

/// The header fields that differ from one segment to the next (SDM §3.5.5).
fn number(context: &Context, frame: &mut [u8], index: usize, is_last: bool) {
    let (ip, tcp) = (context.ip.start, context.transport.start);
    let len = frame.len();
    if context.is_v4 {
        put(frame, ip + 2, (len - ip) as u16);
        let identification = word(frame, ip + 4).wrapping_add(index as u16);
        put(frame, ip + 4, identification);
    } else {
        put(frame, ip + 4, (len - ip - 40) as u16);
    }
    let offset = (index * context.segment) as u32;
    let sequence = u32::from(word(frame, tcp + 4)) << 16 | u32::from(word(frame, tcp + 6));
    frame[tcp + 4..tcp + 8].copy_from_slice(&sequence.wrapping_add(offset).to_be_bytes());
    if !is_last {
        frame[tcp + 13] &= !FIN_AND_PSH;
    }
    let seed = u32::from(word(frame, context.transport.at)) + (len - tcp) as u32;
    put(frame, context.transport.at, (seed + (seed >> 16)) as u16);
}

fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

fn put(frame: &mut [u8], at: usize, value: u16) {
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// The one's-complement sum of `bytes`, written out here so that it shares no mistake with the stack's.
pub(super) fn folded(bytes: &[u8]) -> u16 {
    let mut sum: u64 =
        bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
