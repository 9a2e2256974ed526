//! Registers, in bytes from the first base address register, and their bits (8254x §13, 82574 §10).

pub(super) const CTRL: usize = 0x0000;
pub(super) const STATUS: usize = 0x0008;
pub(super) const EERD: usize = 0x0014;
pub(super) const CTRL_EXT: usize = 0x0018;
/// The EtherType of a VLAN tag.
pub(super) const VET: usize = 0x0038;
pub(super) const ICR: usize = 0x00c0;
pub(super) const ITR: usize = 0x00c4;
pub(super) const IMS: usize = 0x00d0;
pub(super) const IMC: usize = 0x00d8;
pub(super) const EIAC: usize = 0x00dc;
pub(super) const IVAR: usize = 0x00e4;
/// One for each of the 82574's five vectors.
pub(super) const EITR: usize = 0x00e8;
pub(super) const RCTL: usize = 0x0100;
pub(super) const TCTL: usize = 0x0400;
pub(super) const TIPG: usize = 0x0410;
/// The receive queue's block.
pub(super) const RECEIVE: usize = 0x2800;
/// The transmit queue's block.
pub(super) const TRANSMIT: usize = 0x3800;
pub(super) const RXCSUM: usize = 0x5000;
pub(super) const RFCTL: usize = 0x5008;
/// The multicast table.
pub(super) const MTA: usize = 0x5200;
/// Receive addresses: low and high word of each.
pub(super) const RAL: usize = 0x5400;
/// The VLAN filter table.
pub(super) const VFTA: usize = 0x5600;
pub(super) const MRQC: usize = 0x5818;
pub(super) const RETA: usize = 0x5c00;
pub(super) const RSSRK: usize = 0x5c80;
/// Where the registers that are used here end.
pub(super) const END: u32 = 0x6000;

/// In a queue's block: base address, length, head, tail, descriptor control.
pub(super) const BASE_LOW: usize = 0x00;
pub(super) const BASE_HIGH: usize = 0x04;
pub(super) const LENGTH: usize = 0x08;
pub(super) const HEAD: usize = 0x10;
pub(super) const TAIL: usize = 0x18;
/// Delay of interrupts after a packet (RDTR, TIDV).
pub(super) const DELAY: usize = 0x20;
pub(super) const DESCRIPTOR_CONTROL: usize = 0x28;
/// The same delay's limit (RADV, TADV).
pub(super) const DELAY_LIMIT: usize = 0x2c;

pub(super) mod ctrl {
    pub(in crate::e1000) const MASTER_DISABLE: u32 = 1 << 2;
    pub(in crate::e1000) const LINK_RESET: u32 = 1 << 3;
    pub(in crate::e1000) const SPEED_DETECT: u32 = 1 << 5;
    pub(in crate::e1000) const SET_LINK_UP: u32 = 1 << 6;
    pub(in crate::e1000) const INVERT_LOSS: u32 = 1 << 7;
    pub(in crate::e1000) const FORCE_SPEED: u32 = 1 << 11;
    pub(in crate::e1000) const FORCE_DUPLEX: u32 = 1 << 12;
    pub(in crate::e1000) const RESET: u32 = 1 << 26;
    pub(in crate::e1000) const VLAN: u32 = 1 << 30;
    pub(in crate::e1000) const PHY_RESET: u32 = 1 << 31;
}

pub(super) mod status {
    pub(in crate::e1000) const LINK_UP: u32 = 1 << 1;
    pub(in crate::e1000) const MASTER_ENABLED: u32 = 1 << 19;
}

pub(super) mod ctrl_ext {
    pub(in crate::e1000) const DRIVER_LOADED: u32 = 1 << 28;
    /// Pending bits of MSI-X follow the causes.
    pub(in crate::e1000) const PBA_SUPPORT: u32 = 1 << 31;
}

pub(super) mod cause {
    pub(in crate::e1000) const TXDW: u32 = 1;
    pub(in crate::e1000) const LSC: u32 = 1 << 2;
    pub(in crate::e1000) const RXDMT0: u32 = 1 << 4;
    pub(in crate::e1000) const RXO: u32 = 1 << 6;
    pub(in crate::e1000) const RXT0: u32 = 1 << 7;
    pub(in crate::e1000) const RXQ0: u32 = 1 << 20;
    pub(in crate::e1000) const TXQ0: u32 = 1 << 22;
    pub(in crate::e1000) const OTHER: u32 = 1 << 24;
}

pub(super) mod rctl {
    pub(in crate::e1000) const ENABLE: u32 = 1 << 1;
    pub(in crate::e1000) const LONG_PACKETS: u32 = 1 << 5;
    pub(in crate::e1000) const BROADCAST: u32 = 1 << 15;
    pub(in crate::e1000) const SIZE_SHIFT: u32 = 16;
    pub(in crate::e1000) const VLAN_FILTER: u32 = 1 << 18;
    pub(in crate::e1000) const SIZE_TIMES_16: u32 = 1 << 25;
    pub(in crate::e1000) const STRIP_FRAME_CHECK: u32 = 1 << 26;
}

pub(super) mod tctl {
    pub(in crate::e1000) const ENABLE: u32 = 1 << 1;
    pub(in crate::e1000) const PAD_SHORT: u32 = 1 << 3;
    /// Full duplex: collisions do not happen, the recommended values stand.
    pub(in crate::e1000) const COLLISIONS: u32 = 0x0f << 4 | 0x40 << 12;
}

pub(super) mod rxcsum {
    pub(in crate::e1000) const IP: u32 = 1 << 8;
    pub(in crate::e1000) const TRANSPORT: u32 = 1 << 9;
    /// The hash instead of the raw packet checksum.
    pub(in crate::e1000) const HASH_INSTEAD: u32 = 1 << 13;
}

pub(super) mod rfctl {
    pub(in crate::e1000) const NO_ISCSI: u32 = 1;
    pub(in crate::e1000) const NO_NFS: u32 = 0b11 << 6;
    /// No interrupt cause of its own for TCP acknowledgements.
    pub(in crate::e1000) const NO_ACK: u32 = 1 << 12;
    pub(in crate::e1000) const EXTENDED: u32 = 1 << 15;
}

pub(super) mod mrqc {
    pub(in crate::e1000) const RSS: u32 = 1;
    pub(in crate::e1000) const TCP_IPV4: u32 = 1 << 16;
    pub(in crate::e1000) const TCP_IPV6: u32 = 1 << 18;
}
