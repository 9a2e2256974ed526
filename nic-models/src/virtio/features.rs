//! Feature bits (virtio 1.2 §5.1.3, §6).

use lendwire_nic::Offloads;

bitflags::bitflags! {
    /// What device and driver agree on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Features: u64 {
        /// The device completes transport checksums.
        const CSUM = 1;
        /// The driver takes frames whose checksum was not completed, or was checked.
        const GUEST_CSUM = 1 << 1;
        /// What the driver takes can be changed while it runs.
        const CTRL_GUEST_OFFLOADS = 1 << 2;
        /// The device says its MTU.
        const MTU = 1 << 3;
        /// The device has an address.
        const MAC = 1 << 5;
        /// The driver takes TCP segments over IPv4 that were made one.
        const GUEST_TSO4 = 1 << 7;
        /// The driver takes TCP segments over IPv6 that were made one.
        const GUEST_TSO6 = 1 << 8;
        /// The driver takes such segments with CWR set.
        const GUEST_ECN = 1 << 9;
        /// The device cuts TCP over IPv4 into segments.
        const HOST_TSO4 = 1 << 11;
        /// The device cuts TCP over IPv6 into segments.
        const HOST_TSO6 = 1 << 12;
        /// The device cuts segments with CWR set.
        const HOST_ECN = 1 << 13;
        /// A frame may span several receive buffers.
        const MRG_RXBUF = 1 << 15;
        /// The device says whether the link is up.
        const STATUS = 1 << 16;
        /// There is a control queue.
        const CTRL_VQ = 1 << 17;
        /// It sets what is received.
        const CTRL_RX = 1 << 18;
        /// It filters VLANs.
        const CTRL_VLAN = 1 << 19;
        /// The device asks for the driver's addresses to be announced.
        const GUEST_ANNOUNCE = 1 << 21;
        /// There are several pairs of queues.
        const MQ = 1 << 22;
        /// The control queue sets the device's address.
        const CTRL_MAC_ADDR = 1 << 23;
        /// Long chains may lie in tables beside a ring.
        const INDIRECT_DESC = 1 << 28;
        /// Notifications are asked for by ring index.
        const EVENT_IDX = 1 << 29;
        /// It is not a legacy device.
        const VERSION_1 = 1 << 32;
        /// Addresses go through the platform's translation: every one here comes from `Platform`, so they do.
        const ACCESS_PLATFORM = 1 << 33;
        /// Queues are packed rings.
        const RING_PACKED = 1 << 34;
        /// Memory is ordered as the platform orders it for devices, not for processors alone: `dma` sees to that.
        const ORDER_PLATFORM = 1 << 36;
        /// A queue can be reset alone.
        const RING_RESET = 1 << 40;
        /// The device says the hash of each frame.
        const HASH_REPORT = 1 << 57;
        /// The device chooses queues by hash.
        const RSS = 1 << 60;
    }
}

impl Features {
    /// What only a driver of several pairs has a use for.
    pub(super) const SEVERAL: Self = Self::MQ.union(Self::HASH_REPORT).union(Self::RSS);

    /// What goes through the control queue (§5.1.3.1).
    const CONTROL: Self = Self::CTRL_GUEST_OFFLOADS
        .union(Self::CTRL_RX)
        .union(Self::CTRL_VLAN)
        .union(Self::GUEST_ANNOUNCE)
        .union(Self::CTRL_MAC_ADDR)
        .union(Self::SEVERAL);

    /// TCP segments that arrive as one.
    pub(crate) const LARGE_RECEIVE: Self = Self::GUEST_TSO4.union(Self::GUEST_TSO6).union(Self::GUEST_ECN);
    /// TCP segments that leave as one.
    pub(crate) const LARGE_TRANSMIT: Self = Self::HOST_TSO4.union(Self::HOST_TSO6).union(Self::HOST_ECN);

    /// Without those that need one which is not there (virtio 1.2 §5.1.3.1). A large frame needs several buffers.
    #[must_use]
    pub(super) fn consistent(self) -> Self {
        let drop = |features: Self, dependent: Self, without: Self| {
            if features.intersects(without) { features } else { features - dependent }
        };
        let features = drop(self, Self::CONTROL, Self::CTRL_VQ);
        let features = drop(features, Self::LARGE_RECEIVE, Self::GUEST_CSUM);
        let features = drop(features, Self::LARGE_RECEIVE, Self::MRG_RXBUF);
        let features = drop(features, Self::GUEST_ECN, Self::GUEST_TSO4 | Self::GUEST_TSO6);
        let features = drop(features, Self::LARGE_TRANSMIT, Self::CSUM);
        drop(features, Self::HOST_ECN, Self::HOST_TSO4 | Self::HOST_TSO6)
    }

    /// What the stack may ask for and be told.
    pub(crate) fn offloads(self) -> Offloads {
        [
            (Self::CSUM, Offloads::TX_CHECKSUM),
            (Self::GUEST_CSUM, Offloads::RX_CHECKSUM),
            (Self::HOST_TSO4, Offloads::TX_SEGMENT_V4),
            (Self::HOST_TSO6, Offloads::TX_SEGMENT_V6),
            (Self::HOST_ECN, Offloads::TX_SEGMENT_ECN),
            (Self::LARGE_RECEIVE, Offloads::RX_COALESCE),
        ]
        .into_iter()
        .filter(|(feature, _)| self.intersects(*feature))
        .fold(Offloads::empty(), |offloads, (_, offload)| offloads | offload)
    }
}
