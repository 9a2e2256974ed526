//! Which registers there are, and what may be done to them (SDM §13.2, DS §10.1).
//!
//! The list is strict on purpose: QEMU ignores an access to a register that is not there, hardware may not.

use super::kind::Kind;

/// Offsets of registers that tests look at.
pub mod register {
    /// Device control.
    pub const CTRL: u32 = 0x0000;
    /// Device status.
    pub const STATUS: u32 = 0x0008;
    /// The EEPROM's read port.
    pub const EERD: u32 = 0x0014;
    /// Extended device control.
    pub const CTRL_EXT: u32 = 0x0018;
    /// The Ethernet type that marks a VLAN tag.
    pub const VET: u32 = 0x0038;
    /// Interrupt causes; reading acknowledges.
    pub const ICR: u32 = 0x00c0;
    /// Interrupt throttling, in units of 256 ns.
    pub const ITR: u32 = 0x00c4;
    /// Causes to set.
    pub const ICS: u32 = 0x00c8;
    /// Causes that interrupt.
    pub const IMS: u32 = 0x00d0;
    /// Causes to mask.
    pub const IMC: u32 = 0x00d8;
    /// 82574L: causes that a message acknowledges.
    pub const EIAC: u32 = 0x00dc;
    /// 82574L: which message is for which cause.
    pub const IVAR: u32 = 0x00e4;
    /// 82574L: throttling of each message.
    pub const EITR: u32 = 0x00e8;
    /// Receive control.
    pub const RCTL: u32 = 0x0100;
    /// Transmit control.
    pub const TCTL: u32 = 0x0400;
    /// The first register of the receive ring.
    pub const RDBAL: u32 = 0x2800;
    /// The receive ring's head.
    pub const RDH: u32 = 0x2810;
    /// The receive ring's tail.
    pub const RDT: u32 = 0x2818;
    /// The first register of the transmit ring.
    pub const TDBAL: u32 = 0x3800;
    /// The transmit ring's head.
    pub const TDH: u32 = 0x3810;
    /// The transmit ring's tail.
    pub const TDT: u32 = 0x3818;
    /// 82574L: transmit arbitration.
    pub const TARC0: u32 = 0x3840;
    /// Frames with a bad check sequence.
    pub const CRCERRS: u32 = 0x4000;
    /// Frames missed for want of a descriptor.
    pub const MPC: u32 = 0x4010;
    /// Good frames received.
    pub const GPRC: u32 = 0x4074;
    /// Broadcast frames received.
    pub const BPRC: u32 = 0x4078;
    /// Multicast frames received.
    pub const MPRC: u32 = 0x407c;
    /// Good frames sent.
    pub const GPTC: u32 = 0x4080;
    /// Good bytes received; the upper half follows.
    pub const GORCL: u32 = 0x4088;
    /// Good bytes sent; the upper half follows.
    pub const GOTCL: u32 = 0x4090;
    /// Times that no descriptor was there.
    pub const RNBC: u32 = 0x40a0;
    /// Frames that were too long.
    pub const ROC: u32 = 0x40ac;
    /// Bytes received in all; the upper half follows.
    pub const TORL: u32 = 0x40c0;
    /// Bytes sent in all; the upper half follows.
    pub const TOTL: u32 = 0x40c8;
    /// Frames received in all.
    pub const TPR: u32 = 0x40d0;
    /// Frames sent in all.
    pub const TPT: u32 = 0x40d4;
    /// Segmentation contexts used.
    pub const TSCTC: u32 = 0x40f8;
    /// Receive checksums.
    pub const RXCSUM: u32 = 0x5000;
    /// 82574L: receive filters, and the descriptors' form.
    pub const RFCTL: u32 = 0x5008;
    /// The multicast table: 128 words.
    pub const MTA: u32 = 0x5200;
    /// Receive addresses: 16 pairs of words.
    pub const RAL: u32 = 0x5400;
    /// The VLAN table: 128 words.
    pub const VFTA: u32 = 0x5600;
    /// 82574L: several receive queues.
    pub const MRQC: u32 = 0x5818;
    /// 82574L: the redirection table, 32 words.
    pub const RETA: u32 = 0x5c00;
    /// 82574L: the hash's key, 10 words.
    pub const RSSRK: u32 = 0x5c80;
}

/// What may be done to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
    WriteOnly,
    /// A count that starts again when it is read.
    Count,
}

/// Where the registers that the model keeps end.
pub(super) const END: u32 = 0x6000;

/// What may be done to the register at `at`; nothing where there is none.
pub(super) fn access(kind: Kind, at: u32) -> Option<Access> {
    use Access::{Count, ReadOnly, ReadWrite, WriteOnly};
    use register::{ICS, IMC, STATUS};
    let access = match at {
        // RXCSUM, the multicast table, the receive addresses, the VLAN table: nothing is written as often.
        0x5000 | 0x5200..=0x53fc | 0x5400..=0x547c | 0x5600..=0x57fc => ReadWrite,
        STATUS => ReadOnly,
        ICS | IMC => WriteOnly,
        // CTRL, EECD to CTRL_EXT, MDIC, flow control, VET.
        0x00 | 0x10..=0x18 | 0x20 | 0x28..=0x30 | 0x38 => ReadWrite,
        // ICR, ITR, IMS.
        0xc0 | 0xc4 | 0xd0 => ReadWrite,
        // RCTL, FCTTV, TCTL, TIPG, AIT, LEDCTL, PBA, FCRTL, FCRTH.
        0x100 | 0x170 | 0x400 | 0x410 | 0x458 | 0xe00 | 0x1000 | 0x2160 | 0x2168 => ReadWrite,
        // The receive ring, RDTR, RXDCTL, RADV, RSRPD.
        0x2800..=0x2808 | 0x2810 | 0x2818 | 0x2820 | 0x2828 | 0x282c | 0x2c00 => ReadWrite,
        // The transmit ring, TIDV, TXDCTL, TADV.
        0x3800..=0x3808 | 0x3810 | 0x3818 | 0x3820 | 0x3828 | 0x382c => ReadWrite,
        0x4000..=0x40fc => Count,
        // WUC, WUFC, WUS, MANC.
        0x5800 | 0x5808 | 0x5810 | 0x5820 => ReadWrite,
        _ if kind.is_express() => return express(at),
        _ => return None,
    };
    Some(access)
}

/// What only the 82574L has.
fn express(at: u32) -> Option<Access> {
    let is_there = match at {
        // EIAC to EITR, GCR, SWSM, FWSM, PBACLR.
        0xdc..=0xf8 | 0x5b00 | 0x5b50 | 0x5b54 | 0x5b68 => true,
        // RAID, TARC0, RFCTL, MRQC, MANC2H, RETA, RSSRK.
        0x2c08 | 0x3840 | 0x5008 | 0x5818 | 0x5860 | 0x5c00..=0x5c7c | 0x5c80..=0x5ca4 => true,
        // IAC: interrupts asserted.
        0x4100 => return Some(Access::Count),
        _ => false,
    };
    is_there.then_some(Access::ReadWrite)
}
