//! TCP segments as a script writes them. Sequence numbers are relative: a side's SYN is number 0, its first byte 1.
//!
//! A field that is not set means "the next one" in a segment that is sent, and "any" in one that is expected.

use std::fmt;

use lendwire::time::Instant;

/// The control bits (RFC 9293 §3.1).
pub mod flag {
    /// No more data.
    pub const FIN: u8 = 1;
    /// Synchronize.
    pub const SYN: u8 = 1 << 1;
    /// Reset.
    pub const RST: u8 = 1 << 2;
    /// Push.
    pub const PSH: u8 = 1 << 3;
    /// The acknowledgment counts.
    pub const ACK: u8 = 1 << 4;
    /// The urgent pointer counts.
    pub const URG: u8 = 1 << 5;
    /// ECN echo.
    pub const ECE: u8 = 1 << 6;
    /// Congestion window reduced.
    pub const CWR: u8 = 1 << 7;
}

use flag::{ACK, FIN, PSH, RST, SYN};

/// A segment to send, or what is asked of one that comes.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Segment {
    pub(crate) flags: u8,
    pub(crate) push: Option<bool>,
    pub(crate) seq: Option<u32>,
    pub(crate) ack: Option<u32>,
    pub(crate) window: Option<u16>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) len: Option<usize>,
    pub(crate) mss: Option<u16>,
    /// What is known of the window scale: nothing, that there is none, or its shift.
    pub(crate) scale: Option<Option<u8>>,
    pub(crate) sack_permitted: bool,
    /// TSval and TSecr.
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) raw_options: Vec<u8>,
    pub(crate) breaks_checksum: bool,
    pub(crate) traffic_class: u8,
    pub(crate) urgent: Option<u16>,
    pub(crate) any_flags: bool,
    pub(crate) accurate: bool,
}

/// A segment with `flags`.
pub fn segment(flags: u8) -> Segment {
    Segment { flags, ..Segment::default() }
}

/// Whatever comes.
pub fn anything() -> Segment {
    Segment { any_flags: true, ..Segment::default() }
}

/// A SYN alone.
pub fn syn() -> Segment {
    segment(SYN)
}

/// The answer to a SYN.
pub fn syn_ack() -> Segment {
    segment(SYN | ACK)
}

/// An acknowledgment without data.
pub fn ack() -> Segment {
    Segment { payload: Some(Vec::new()), ..segment(ACK) }
}

/// Data with an acknowledgment.
pub fn data(bytes: &[u8]) -> Segment {
    Segment { payload: Some(bytes.to_vec()), ..segment(ACK) }
}

/// Any data of `len` bytes, with an acknowledgment.
pub fn any_data(len: usize) -> Segment {
    Segment { len: Some(len), ..segment(ACK) }
}

/// A FIN with an acknowledgment, without data.
pub fn fin() -> Segment {
    Segment { payload: Some(Vec::new()), ..segment(FIN | ACK) }
}

/// A reset without an acknowledgment.
pub fn rst() -> Segment {
    segment(RST)
}

/// A reset with an acknowledgment.
pub fn rst_ack() -> Segment {
    segment(RST | ACK)
}

impl Segment {
    /// Its relative sequence number.
    pub fn seq(self, seq: u32) -> Self {
        Self { seq: Some(seq), ..self }
    }

    /// Its relative acknowledgment number.
    pub fn ack(self, ack: u32) -> Self {
        Self { ack: Some(ack), ..self }
    }

    /// Its window field, unscaled.
    pub fn window(self, window: u16) -> Self {
        Self { window: Some(window), ..self }
    }

    /// An MSS option.
    pub fn mss(self, mss: u16) -> Self {
        Self { mss: Some(mss), ..self }
    }

    /// A window scale option.
    pub fn window_scale(self, shift: u8) -> Self {
        Self { scale: Some(Some(shift)), ..self }
    }

    /// No window scale option.
    pub fn no_window_scale(self) -> Self {
        Self { scale: Some(None), ..self }
    }

    /// A SACK-permitted option.
    pub fn sack_permitted(self) -> Self {
        Self { sack_permitted: true, ..self }
    }

    /// A timestamps option; neither number is relative to anything.
    pub fn timestamps(self, value: u32, echo: u32) -> Self {
        Self { timestamps: Some((value, echo)), ..self }
    }

    /// Other options, as bytes; padded to whole words.
    pub fn options(self, bytes: &[u8]) -> Self {
        Self { raw_options: bytes.to_vec(), ..self }
    }

    /// The option of Fast Open; an empty cookie asks for one.
    pub fn fast_open(self, cookie: &[u8]) -> Self {
        self.options(&[&[34, cookie.len() as u8 + 2], cookie].concat())
    }

    /// With more flags.
    pub fn with(self, flags: u8) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    /// Without some flags.
    pub fn without(self, flags: u8) -> Self {
        Self { flags: self.flags & !flags, ..self }
    }

    /// The push bit, set or not, is asked for.
    pub fn push(self, push: bool) -> Self {
        Self { push: Some(push), ..self }
    }

    /// With the URG bit and this pointer.
    pub fn urgent(self, urgent: u16) -> Self {
        Self { flags: self.flags | flag::URG, urgent: Some(urgent), ..self }
    }

    /// The byte of the IP header that carries DSCP and ECN.
    pub fn traffic_class(self, traffic_class: u8) -> Self {
        Self { traffic_class, ..self }
    }

    /// With the AE bit (RFC 9768 §3.1), beside CWR and ECE.
    pub fn accurate(self) -> Self {
        Self { accurate: true, ..self }
    }

    /// Its checksum is wrong.
    pub fn with_bad_checksum(self) -> Self {
        Self { breaks_checksum: true, ..self }
    }

    /// Sequence numbers that it takes.
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        self.payload.as_ref().map_or(0, Vec::len) as u32 + (self.flags & (SYN | FIN)).count_ones()
    }

    /// The segment's bytes, its checksum not in place yet.
    pub(crate) fn encode(&self, ports: [u16; 2], seq: u32, ack: u32) -> Vec<u8> {
        let mut options = Vec::new();
        if let Some(mss) = self.mss {
            options.extend_from_slice(&[2, 4]);
            options.extend_from_slice(&mss.to_be_bytes());
        }
        if let Some(Some(shift)) = self.scale {
            options.extend_from_slice(&[1, 3, 3, shift]);
        }
        if self.sack_permitted {
            options.extend_from_slice(&[1, 1, 4, 2]);
        }
        if let Some((value, echo)) = self.timestamps {
            options.extend_from_slice(&[1, 1, 8, 10]);
            options.extend_from_slice(&[value.to_be_bytes(), echo.to_be_bytes()].concat());
        }
        options.extend_from_slice(&self.raw_options);
        options.resize(options.len().next_multiple_of(4), 0);
        let flags = self.flags | if self.push == Some(true) { PSH } else { 0 };
        let mut bytes = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&ack.to_be_bytes());
        bytes.extend_from_slice(&[((20 + options.len()) as u8 / 4) << 4 | u8::from(self.accurate), flags]);
        bytes.extend_from_slice(&self.window.unwrap_or(65_535).to_be_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.urgent.unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(&options);
        bytes.extend_from_slice(self.payload.as_deref().unwrap_or(&[]));
        bytes
    }

    /// What of `came` is not as asked.
    pub(crate) fn differences(&self, came: &Came) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, want: String, is: String| {
            if want != is {
                found.push(format!("{what} is {is}, not {want}"));
            }
        };
        if !self.any_flags {
            compare("the flags", names(self.flags & !PSH), names(came.flags & !PSH));
        }
        if let Some(push) = self.push {
            compare("push", push.to_string(), (came.flags & PSH != 0).to_string());
        }
        if let Some(seq) = self.seq {
            compare("seq", seq.to_string(), came.seq.to_string());
        }
        if let Some(ack) = self.ack {
            compare("ack", ack.to_string(), came.ack.to_string());
        }
        if let Some(window) = self.window {
            compare("the window", window.to_string(), came.window.to_string());
        }
        if let Some(urgent) = self.urgent {
            compare("the urgent pointer", urgent.to_string(), came.urgent.to_string());
        }
        if let Some(mss) = self.mss {
            compare("the MSS", format!("{:?}", Some(mss)), format!("{:?}", came.mss));
        }
        if let Some(scale) = self.scale {
            compare("the window scale", format!("{scale:?}"), format!("{:?}", came.scale));
        }
        if self.sack_permitted {
            compare("SACK permitted", "true".into(), came.sack_permitted.to_string());
        }
        if let Some(timestamps) = self.timestamps {
            compare("the timestamps", format!("{:?}", Some(timestamps)), format!("{:?}", came.timestamps));
        }
        if let Some(len) = self.len {
            compare("the length", len.to_string(), came.payload.len().to_string());
        }
        if let Some(payload) = &self.payload {
            compare("the length", payload.len().to_string(), came.payload.len().to_string());
            compare("same bytes", "true".into(), (*payload == came.payload).to_string());
        }
        found
    }
}

/// A segment that the stack sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Came {
    /// When.
    pub at: Instant,
    /// The stack's port, then the peer's.
    pub ports: [u16; 2],
    /// The control bits.
    pub flags: u8,
    /// Relative to the stack's SYN, once that came.
    pub seq: u32,
    /// Relative to the peer's SYN.
    pub ack: u32,
    /// Unscaled.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The MSS option.
    pub mss: Option<u16>,
    /// The window scale option.
    pub scale: Option<u8>,
    /// The SACK-permitted option.
    pub sack_permitted: bool,
    /// The timestamps option: TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// The blocks of the SACK option, in their order; absolute.
    pub sack: Vec<(u32, u32)>,
    /// The cookie of the Fast Open option; an empty one asks.
    pub fast_open: Option<Vec<u8>>,
    /// The fields of the AccECN0 option (RFC 9768 §3.2.3), three bytes each.
    pub byte_counts: Option<Vec<u8>>,
    /// The data.
    pub payload: Vec<u8>,
}

impl Came {
    /// Sequence numbers that it takes.
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        self.payload.len() as u32 + (self.flags & (SYN | FIN)).count_ones()
    }

    /// Reads a segment, its numbers still absolute.
    ///
    /// # Panics
    /// If the stack sent a header or options that cannot be read.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8], at: Instant) -> Self {
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let long_of = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        let long = |at: usize| long_of(&bytes[at..]);
        let header = usize::from(bytes[12] >> 4) * 4;
        let (mut mss, mut scale, mut sack_permitted, mut timestamps) = (None, None, false, None);
        let (mut sack, mut fast_open, mut byte_counts) = (Vec::new(), None, None);
        let mut options = &bytes[20..header];
        while let [kind, rest @ ..] = options {
            options = match kind {
                0 => break,
                1 => rest,
                kind => {
                    let len = usize::from(rest[0]);
                    match (kind, len) {
                        (2, 4) => mss = Some(u16::from_be_bytes([rest[1], rest[2]])),
                        (3, 3) => scale = Some(rest[1]),
                        (4, 2) => sack_permitted = true,
                        (5, _) => {
                            sack.extend(rest[1..len - 1].chunks(8).map(|block| (long_of(block), long_of(&block[4..]))))
                        }
                        (8, 10) => timestamps = Some((long_of(&rest[1..]), long_of(&rest[5..]))),
                        (34, 2..=18) => fast_open = Some(rest[1..len - 1].to_vec()),
                        (172, 8 | 11) => byte_counts = Some(rest[1..len - 1].to_vec()),
                        (kind, len) => panic!("the stack sent option {kind} with length {len}"),
                    }
                    &options[len..]
                }
            };
        }
        Self {
            at,
            ports: [word(0), word(2)],
            flags: bytes[13],
            seq: long(4),
            ack: long(8),
            window: word(14),
            urgent: word(18),
            mss,
            scale,
            sack_permitted,
            timestamps,
            sack,
            fast_open,
            byte_counts,
            payload: bytes[header..].to_vec(),
        }
    }
}

impl fmt::Debug for Came {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            ports,
            flags,
            seq,
            ack,
            window,
            urgent,
            mss,
            scale,
            sack_permitted,
            timestamps,
            sack,
            payload,
            ..
        } = self;
        write!(out, "{} us: {ports:?} {} seq {seq} ack {ack} window {window}", at.micros(), names(*flags))?;
        if flags & flag::URG != 0 {
            write!(out, " urgent {urgent}")?;
        }
        write!(out, " mss {mss:?} scale {scale:?} sack {sack_permitted} timestamps {timestamps:?}")?;
        for (first, behind) in sack {
            write!(out, " {first}:{behind}")?;
        }
        write!(out, ", {} bytes", payload.len())
    }
}

fn names(flags: u8) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set: Vec<_> = (0..8).filter(|bit| flags & 1 << bit != 0).map(|bit| NAMES[bit]).collect();
    set.join("|")
}
