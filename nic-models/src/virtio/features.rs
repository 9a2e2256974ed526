//! Feature bits (virtio 1.2 §5.1.3, §6).

bitflags::bitflags! {
    /// What device and driver agree on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Features: u64 {
        /// The device completes transport checksums.
        const CSUM = 1;
        /// The driver takes frames whose checksum was not completed, or was checked.
        const GUEST_CSUM = 1 << 1;
        /// The device says its MTU.
        const MTU = 1 << 3;
        /// The device has an address.
        const MAC = 1 << 5;
        /// A frame may span several receive buffers.
        const MRG_RXBUF = 1 << 15;
        /// The device says whether the link is up.
        const STATUS = 1 << 16;
        /// Notifications are asked for by ring index.
        const EVENT_IDX = 1 << 29;
        /// It is not a legacy device.
        const VERSION_1 = 1 << 32;
        /// Addresses go through the platform's translation: every one here comes from `Platform`, so they do.
        const ACCESS_PLATFORM = 1 << 33;
        /// Queues are packed rings.
        const RING_PACKED = 1 << 34;
    }
}
