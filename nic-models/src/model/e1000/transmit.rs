//! What leaves: descriptors become packets, packets become frames (SDM §3.3, §3.5; DS §7.2, §7.3).
//!
//! Stricter than QEMU where hardware is: a packet's descriptors agree on its options, payload announced is payload
//! given, and every packet asks for its check sequence.

use alloc::vec;
use alloc::vec::Vec;

use super::cause;
use super::map::register::{CTRL, GOTCL, GPTC, TARC0, TCTL, TDBAL, TOTL, TPT, TSCTC, VET};
use super::offload::{Context, cut, insert_checksums};
use super::registers::{State, TCTL_EN};
use super::ring::Ring;

/// A packet that the driver transmitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What went out for it, without check sequences: several frames where the device cut it.
    pub frames: Vec<Vec<u8>>,
    /// Address and length of its buffers.
    pub parts: Vec<(u64, u32)>,
    /// Bytes that were read from them.
    pub bytes: Vec<u8>,
}

/// What the device keeps from one descriptor to the next.
#[derive(Default)]
pub(super) struct Transmitter {
    /// For checksums, and for segmentation. The 82574L has one for both.
    contexts: [Option<Context>; 2],
    assembly: Option<Assembly>,
    pub(super) sent: Vec<Sent>,
    /// Context descriptors that were read.
    pub(super) contexts_read: u64,
}

impl Transmitter {
    /// Loses what is under way.
    pub(super) fn forget(&mut self) {
        (self.contexts, self.assembly) = ([None; 2], None);
    }
}

/// A packet of which not every descriptor has been read.
struct Assembly {
    form: Form,
    parts: Vec<(u64, u32)>,
    bytes: Vec<u8>,
}

/// What all descriptors of a packet say alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Legacy,
    /// With the options for checksums.
    Data {
        options: u8,
        is_segmented: bool,
    },
}

/// Bits of a descriptor's command.
const EOP: u8 = 1;
const IFCS: u8 = 1 << 1;
/// Legacy descriptors: insert a checksum.
const IC: u8 = 1 << 2;
/// Others: segment.
const TSE: u8 = 1 << 2;
const RS: u8 = 1 << 3;
const DEXT: u8 = 1 << 5;
const VLE: u8 = 1 << 6;
const DD: u8 = 1;

const CTRL_VME: u32 = 1 << 30;
const TARC_ENABLE: u32 = 1 << 10;
const TCTL_PSP: u32 = 1 << 3;

/// A descriptor as its fields.
struct Descriptor {
    bytes: [u8; 16],
}

impl Descriptor {
    fn command(&self) -> u8 {
        self.bytes[11]
    }

    fn address(&self) -> u64 {
        u64::from_le_bytes(self.bytes[..8].try_into().expect("eight bytes"))
    }

    /// The 20 bits of a data descriptor, or the 16 of a legacy one; QEMU takes no more than 16.
    fn len(&self) -> u32 {
        let lower = u32::from_le_bytes(self.bytes[8..12].try_into().expect("four bytes"));
        let len = if self.command() & DEXT == 0 { lower & 0xffff } else { lower & 0xf_ffff };
        assert!(len > 0 && len <= 0xffff, "a descriptor of {len} bytes");
        len
    }

    fn special(&self) -> u16 {
        u16::from_le_bytes([self.bytes[14], self.bytes[15]])
    }

    fn is_context(&self) -> bool {
        self.command() & DEXT != 0 && self.bytes[10] >> 4 == 0
    }

    fn form(&self) -> Form {
        if self.command() & DEXT == 0 {
            return Form::Legacy;
        }
        assert!(self.bytes[10] >> 4 == 1, "a descriptor is legacy, context or data");
        Form::Data { options: self.bytes[13], is_segmented: self.command() & TSE != 0 }
    }
}

impl State {
    /// Takes up to `most` descriptors.
    pub(super) fn drain(&mut self, most: u32) {
        let is_queue_on = !self.kind().is_express() || self.word(TARC0) & TARC_ENABLE != 0;
        if self.word(TCTL) & TCTL_EN == 0 || !is_queue_on || !self.config.is_bus_master() {
            return;
        }
        let mut causes = cause::TXQE;
        for _ in 0..most {
            let ring = self.ring(TDBAL);
            if ring.head == ring.tail {
                break;
            }
            let descriptor = Descriptor { bytes: self.descriptor(ring, ring.head) };
            self.take(&descriptor);
            if descriptor.command() & RS != 0 {
                self.report_sent(ring, ring.head);
                causes |= self.sent_cause();
            }
            self.advance(TDBAL);
        }
        self.raise(causes);
    }

    /// Sets DD in a descriptor, with its whole word as a device does.
    pub(super) fn report_sent(&self, ring: Ring, index: u32) {
        let [.., status, options, tag_low, tag_high] = self.descriptor(ring, index);
        self.memory.write(ring.at(index) + 12, &[status | DD, options, tag_low, tag_high]);
    }

    fn take(&mut self, descriptor: &Descriptor) {
        if descriptor.is_context() {
            assert!(self.transmitter.assembly.is_none(), "a context does not come inside a packet");
            let context = Context::of(&descriptor.bytes);
            let is_right = context.is_v4 || !context.is_segmenting || self.kind().is_express();
            assert!(is_right, "an 8254x cuts IPv6 to a wrong payload length (SDM §3.5.9.1)");
            let slot = if self.kind().is_express() { 0 } else { usize::from(context.is_segmenting) };
            self.transmitter.contexts[slot] = Some(context);
            self.transmitter.contexts_read += 1;
            return;
        }
        let form = descriptor.form();
        let (address, len) = (descriptor.address(), descriptor.len());
        let bytes = self.memory.read(address, len as usize);
        let assembly =
            self.transmitter.assembly.get_or_insert_with(|| Assembly { form, parts: Vec::new(), bytes: Vec::new() });
        assert_eq!(assembly.form, form, "a packet's descriptors agree");
        assembly.parts.push((address, len));
        assembly.bytes.extend(bytes);
        if descriptor.command() & EOP != 0 {
            self.send(descriptor);
        }
    }

    /// The packet whose last descriptor this is goes out.
    fn send(&mut self, last: &Descriptor) {
        assert!(last.command() & IFCS != 0, "a frame leaves with its check sequence");
        let Assembly { form, parts, bytes } = self.transmitter.assembly.take().expect("a packet has begun");
        let mut frames = match form {
            Form::Legacy => {
                let mut frame = bytes.clone();
                if last.command() & IC != 0 {
                    Context::legacy(last.bytes[13], last.bytes[10]).insert(&mut frame);
                }
                vec![frame]
            }
            Form::Data { options: 0, is_segmented: false } => vec![bytes.clone()],
            Form::Data { options, is_segmented } => {
                let slot = if self.kind().is_express() { 0 } else { usize::from(is_segmented) };
                let context = self.transmitter.contexts[slot].expect("a context came before");
                if is_segmented {
                    self.count(TSCTC, 1);
                    cut(&context, options, &bytes)
                } else {
                    let mut frame = bytes.clone();
                    insert_checksums(&context, options, &mut frame);
                    vec![frame]
                }
            }
        };
        for frame in &mut frames {
            self.finish(frame, last);
        }
        self.transmitter.sent.push(Sent { frames, parts, bytes });
    }

    /// What happens to every frame: a tag, padding, counts.
    fn finish(&mut self, frame: &mut Vec<u8>, last: &Descriptor) {
        assert!(frame.len() >= 14 && frame.len() <= 16_288, "a frame of {} bytes (SDM §13.4.33)", frame.len());
        if last.command() & VLE != 0 {
            assert!(self.word(CTRL) & CTRL_VME != 0, "tags are only inserted in VLAN mode (SDM §9.2)");
            let [high, low] = (self.word(VET) as u16).to_be_bytes();
            let [tag_high, tag_low] = last.special().to_be_bytes();
            frame.splice(12..12, [high, low, tag_high, tag_low]);
        }
        if frame.len() < 60 {
            assert!(self.word(TCTL) & TCTL_PSP != 0, "short frames are padded by TCTL.PSP");
            frame.resize(60, 0);
        }
        let bytes = frame.len() as u64 + 4;
        for at in [GPTC, TPT] {
            self.count(at, 1);
        }
        for at in [GOTCL, TOTL] {
            self.count_wide(at, bytes);
        }
    }

    /// Adds to a count, which stays at its end.
    pub(super) fn count(&mut self, at: u32, more: u32) {
        let count = self.word(at).saturating_add(more);
        self.set_word(at, count);
    }

    /// Adds to a count of two words.
    pub(super) fn count_wide(&mut self, at: u32, more: u64) {
        let count = (u64::from(self.word(at + 4)) << 32 | u64::from(self.word(at))).saturating_add(more);
        self.set_word(at, count as u32);
        self.set_word(at + 4, (count >> 32) as u32);
    }
}
