//! What the device's hash is made of, and which pair of queues it chooses (virtio 1.2 §5.1.6.5.6, §5.1.6.5.7).
//!
//! Invariant: the key is the caller's secret, so nobody outside can choose frames that all go to one pair.

use super::probe::{CONFIG_HASH_KEY, CONFIG_HASH_TABLE, CONFIG_HASH_TYPES};
use super::transport::Transport;
use crate::registers::Registers;

/// The longest table and the key of a hash, as `virtio_net_rss_config` has them (virtio 1.2 §5.1.6.5.7).
pub(super) const KEY: usize = 40;
const TABLE: u16 = 128;
/// The command without table and key.
const FIXED: usize = 4 + 2 + 2 + 2 + 1;

/// How frames are spread.
pub(super) struct Spread {
    pub(super) key: [u8; KEY],
}

impl Spread {
    /// The bytes of the command that spreads frames over `pairs` pairs, or `None` where the device has no such hash.
    pub(super) fn rss<R: Registers>(
        &self,
        transport: &Transport<R>,
        pairs: u16,
    ) -> Option<([u8; FIXED + 2 * TABLE as usize + KEY], usize)> {
        let (types, table) = hash(transport)?;
        let mut bytes = Bytes::new();
        bytes.put(&types.to_le_bytes());
        bytes.put(&(table - 1).to_le_bytes());
        // What has no hash goes to the first.
        bytes.put(&0u16.to_le_bytes());
        for entry in 0..table {
            bytes.put(&(entry % pairs).to_le_bytes());
        }
        bytes.put(&pairs.to_le_bytes());
        bytes.put(&[KEY as u8]);
        bytes.put(&self.key);
        Some((bytes.bytes, bytes.len))
    }

    /// The bytes of the command that has the hash reported only.
    pub(super) fn report<R: Registers>(&self, transport: &Transport<R>) -> Option<[u8; 4 + 8 + 1 + KEY]> {
        let (types, _) = hash(transport)?;
        let mut bytes = Bytes::new();
        bytes.put(&types.to_le_bytes());
        bytes.put(&[0; 8]);
        bytes.put(&[KEY as u8]);
        bytes.put(&self.key);
        Some(bytes.bytes)
    }
}

/// What the device can hash, and how long a table it can choose from: a power of two.
fn hash<R: Registers>(transport: &Transport<R>) -> Option<(u32, u16)> {
    let read = transport.read_config(CONFIG_HASH_TYPES + 4, |device| {
        let (key, table) = (device.read8(CONFIG_HASH_KEY), device.read16(CONFIG_HASH_TABLE));
        (key, table, device.read32(CONFIG_HASH_TYPES))
    });
    let (key, table, types) = read.ok()?;
    // §5.1.4.1: a device with a hash takes a key of 40 bytes and a table of 128 at least. A table's length is one more
    // than its mask.
    let table = 1 << table.clamp(1, TABLE).ilog2();
    (usize::from(key) >= KEY).then_some((types, table))
}

/// Bytes that are put one behind the other.
struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Bytes<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}
