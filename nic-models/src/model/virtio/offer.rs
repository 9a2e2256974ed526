//! What a device offers, and how it misbehaves.

/// Feature bits, as the specification numbers them (virtio 1.2 §5.1.3, §6).
pub mod feature {
    /// The device completes transport checksums.
    pub const CSUM: u64 = 1;
    /// The driver takes frames whose checksum was not completed.
    pub const GUEST_CSUM: u64 = 1 << 1;
    /// What the driver takes can be changed while it runs.
    pub const CTRL_GUEST_OFFLOADS: u64 = 1 << 2;
    /// The device says its MTU.
    pub const MTU: u64 = 1 << 3;
    /// The device has an address.
    pub const MAC: u64 = 1 << 5;
    /// The driver takes large TCP segments over IPv4.
    pub const GUEST_TSO4: u64 = 1 << 7;
    /// The driver takes large TCP segments over IPv6.
    pub const GUEST_TSO6: u64 = 1 << 8;
    /// The driver takes large TCP segments with ECN.
    pub const GUEST_ECN: u64 = 1 << 9;
    /// The device cuts TCP over IPv4.
    pub const HOST_TSO4: u64 = 1 << 11;
    /// The device cuts TCP over IPv6.
    pub const HOST_TSO6: u64 = 1 << 12;
    /// The device cuts TCP with ECN.
    pub const HOST_ECN: u64 = 1 << 13;
    /// A frame may span several buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The device says whether the link is up.
    pub const STATUS: u64 = 1 << 16;
    /// There is a control queue.
    pub const CTRL_VQ: u64 = 1 << 17;
    /// The control queue sets what is received.
    pub const CTRL_RX: u64 = 1 << 18;
    /// The control queue filters VLANs.
    pub const CTRL_VLAN: u64 = 1 << 19;
    /// The device asks for the driver's addresses to be announced.
    pub const GUEST_ANNOUNCE: u64 = 1 << 21;
    /// There are several pairs of queues.
    pub const MQ: u64 = 1 << 22;
    /// The control queue sets the device's address.
    pub const CTRL_MAC_ADDR: u64 = 1 << 23;
    /// Chains may lie in tables elsewhere.
    pub const INDIRECT_DESC: u64 = 1 << 28;
    /// Notifications by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// A modern device.
    pub const VERSION_1: u64 = 1 << 32;
    /// Addresses are those of the platform's translation.
    pub const ACCESS_PLATFORM: u64 = 1 << 33;
    /// The ring is packed.
    pub const RING_PACKED: u64 = 1 << 34;
    /// A queue can be reset alone.
    pub const RING_RESET: u64 = 1 << 40;
    /// The device says the hash of each frame.
    pub const HASH_REPORT: u64 = 1 << 57;
    /// The device chooses queues by hash.
    pub const RSS: u64 = 1 << 60;
}

/// What a device offers, and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Feature bits.
    pub features: u64,
    /// Its address.
    pub address: [u8; 6],
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// Pairs of queues that it has (`max_virtqueue_pairs`).
    pub pairs: u16,
    /// What it says of their number, if that is not the truth.
    pub claimed_pairs: Option<u16>,
    /// The longest table that its hash chooses a queue from.
    pub rss_table: u16,
    /// The longest key of its hash.
    pub rss_key: u8,
    /// What it hashes: `supported_hash_types`.
    pub hash_types: u32,
    /// The largest size of each queue.
    pub queue_size: u16,
    /// MSI-X vectors.
    pub vectors: u16,
    /// It takes no feature set.
    pub refuses_features: bool,
    /// Features that it offers at every second look only.
    pub flickering: u64,
    /// It never stops.
    pub ignores_reset: bool,
    /// It never stops a single queue.
    pub ignores_queue_reset: bool,
    /// Its configuration changes with every look.
    pub never_settles: bool,
    /// What each queue says of where its doorbell is.
    pub notify_offset: Option<u16>,
    /// It completes what it was not given as soon as it knows a queue, before the driver lets it run.
    pub hurries: bool,
    /// What becomes of commands.
    pub control: ControlManner,
}

/// How a device answers commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlManner {
    /// It does as it is told.
    Obeys,
    /// It answers that it cannot.
    Refuses,
    /// It never answers.
    Silent,
    /// It answers with a byte that means nothing.
    Garbles,
    /// It completes a chain that it was not given.
    Misnumbers,
}

impl Default for Offer {
    /// QEMU's over TAP without segmentation: merged buffers, event index, checksums, status, MTU 1500.
    fn default() -> Self {
        use feature::{CSUM, EVENT_IDX, GUEST_CSUM, MAC, MRG_RXBUF, STATUS, VERSION_1};
        Self {
            features: MAC | STATUS | MRG_RXBUF | EVENT_IDX | VERSION_1 | CSUM | GUEST_CSUM,
            address: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            mtu: 1500,
            pairs: 1,
            claimed_pairs: None,
            rss_table: 128,
            rss_key: 40,
            hash_types: 0x3f,
            queue_size: 256,
            vectors: 3,
            refuses_features: false,
            flickering: 0,
            ignores_reset: false,
            ignores_queue_reset: false,
            never_settles: false,
            notify_offset: None,
            hurries: false,
            control: ControlManner::Obeys,
        }
    }
}
