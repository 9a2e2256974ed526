//! `virtio_net_hdr` (virtio 1.2 §5.1.6): what stands before each frame in both directions.

use lendwire_nic::{Checksum, Received};
use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of a modern device: always with `num_buffers`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    flags: u8,
    gso_type: u8,
    hdr_len: U16,
    gso_size: U16,
    csum_start: U16,
    csum_offset: U16,
    /// Buffers that a received frame spans; zero in a transmitted one.
    pub(super) num_buffers: U16,
}

/// Its length in bytes.
pub(crate) const HEADER_LEN: usize = size_of::<Header>();

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;

/// A received header that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Senseless;

impl Header {
    /// What a transmitted packet needs from the device.
    pub(crate) fn of(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Done => Self::default(),
            Checksum::Fill { start, offset } => {
                Self { flags: NEEDS_CSUM, csum_start: start.into(), csum_offset: offset.into(), ..Self::default() }
            }
        }
    }

    /// What the device says of a received frame of `len` bytes; `checked` is whether it may speak of checksums.
    pub(crate) fn received(&self, len: usize, checked: bool) -> Result<Received, Senseless> {
        // No segmentation was negotiated, so no frame can be a merged one.
        if self.gso_type != GSO_NONE {
            return Err(Senseless);
        }
        if self.flags & NEEDS_CSUM != 0 {
            let (start, offset) = (self.csum_start.get(), self.csum_offset.get());
            let is_inside = usize::from(start) + usize::from(offset) + 2 <= len;
            return if checked && is_inside { Ok(Received::Local { start, offset }) } else { Err(Senseless) };
        }
        Ok(if checked && self.flags & DATA_VALID != 0 { Received::Checked } else { Received::Unchecked })
    }
}
