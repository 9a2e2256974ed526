//! The [`Nic`] trait: four verbs that move packets, and what a stack needs to know of the device behind them.

use core::fmt;

use crate::{Offloads, RxPacket, Train, TxPacket};

/// A network interface, as a stack polls it. Object-safe; owned by the kernel, lent to the stack for a poll.
///
/// Nothing here blocks, allocates or copies payload. A driver that hands memory to a device holds it by cloning
/// [`crate::Part`]s, and drops them when the device is done.
pub trait Nic {
    /// What the device is and can do. Constant between two resets.
    fn info(&self) -> &NicInfo;

    /// Queues one packet, all of it or nothing. The device may not hear of it before [`Nic::flush`].
    ///
    /// A packet beyond [`NicInfo::mtu`] or [`NicInfo::max_parts`], or one that asks for an offload which the device
    /// does not have, can never be sent: it is dropped and counted ([`Fault::Unsendable`]), as the wire would.
    ///
    /// # Errors
    /// [`Full`]: nothing has changed, and it can be tried again after [`Nic::flush`].
    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full>;

    /// [`Nic::transmit`] for each packet of `train`, until one finds no room; [`Train::sent`] says how many did. A driver
    /// may do once for all of them what does not differ.
    ///
    /// # Errors
    /// [`Full`]: the packets that are left can be tried again after [`Nic::flush`].
    fn transmit_train(&mut self, train: &mut Train<'_>) -> Result<(), Full> {
        while let Some(packet) = train.packet() {
            self.transmit(packet)?;
            train.advance();
        }
        Ok(())
    }

    /// The next packet that the device has received.
    fn receive(&mut self) -> Option<RxPacket>;

    /// Once a burst: rings the doorbell for what was queued, collects completions, gives the device fresh buffers.
    fn flush(&mut self);

    /// Arms or masks interrupts. When arming, a device that has work already says so: do not halt then.
    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending;

    /// Which multicast groups to receive, besides broadcast and the own address. A device without a filter passes
    /// more than asked: the stack checks again.
    fn set_multicast(&mut self, filter: MulticastFilter<'_>) {
        let _ = filter;
    }

    /// Which 802.1Q networks to receive, besides untagged frames. A device without a filter passes more than asked.
    fn set_vlans(&mut self, filter: VlanFilter<'_>) {
        let _ = filter;
    }

    /// Whether the cable is in.
    fn link(&self) -> Link {
        Link::Up
    }

    /// What has happened so far.
    fn statistics(&self) -> NicStatistics;
}

/// The transmit ring has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What [`Nic::set_interrupts`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// The device interrupts at its next event.
    Armed,
    /// It stays silent.
    Masked,
}

/// Whether work waits at the moment interrupts were armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Poll again before halting.
    Work,
    /// Nothing: an interrupt will tell.
    Nothing,
}

/// The carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Frames pass.
    Up,
    /// Frames are lost.
    Down,
}

/// Multicast addresses to let in.
#[derive(Clone, Copy, Debug)]
pub enum MulticastFilter<'a> {
    /// Every one.
    All,
    /// These.
    Only(&'a [MacAddress]),
}

/// 802.1Q networks to let in.
#[derive(Clone, Copy, Debug)]
pub enum VlanFilter<'a> {
    /// Every one.
    All,
    /// Those of these numbers (0 to 4094).
    Only(&'a [u16]),
}

/// An IEEE 802 address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Everyone on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group, broadcast included (IEEE 802: the first bit on the wire).
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// What a device is and can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicInfo {
    /// The driver's name.
    pub name: &'static str,
    /// Its address.
    pub address: MacAddress,
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// What it does for the stack.
    pub offloads: Offloads,
    /// Payload parts that one packet may have.
    pub max_parts: u16,
    /// Pairs of queues.
    pub queues: u16,
}

/// What a driver has seen. Every count only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicStatistics {
    /// Frames handed to the stack.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames queued for the device.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Doorbells rung (each an exit to the hypervisor under virtio).
    pub kicks: u64,
    /// Interrupts that the kernel reported.
    pub interrupts: u64,
    /// Payload bytes that the driver copied: zero, unless the device cannot reach the stack's memory.
    pub copied: u64,
    /// Times that a device which gave up was reset and started again.
    pub recoveries: u64,
    /// Frames dropped and events refused, by [`Fault`].
    pub faults: [u64; Fault::ALL.len()],
}

impl NicStatistics {
    /// Counts one fault.
    pub fn count(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }
}

/// Why a driver dropped a frame or refused what its device said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No pool slot was free for a frame.
    NoSlot,
    /// The device gave a length that its buffer does not have, or that is shorter than its own header.
    BadLength,
    /// The device completed a buffer that it was not given.
    BadIndex,
    /// A frame spans more buffers than there can be, or its last one never came.
    BadChain,
    /// A header field of the device makes no sense.
    BadHeader,
    /// A frame's check sequence was wrong.
    BadFrameCheck,
    /// The frame is longer than the device may send.
    TooLong,
    /// The stack asked for what the device cannot do.
    Unsendable,
    /// The device refused a command of its driver, or never answered: what it was for is not done.
    Unheard,
    /// The device stopped working.
    Broken,
}

impl Fault {
    /// Every fault, in the order of [`NicStatistics::faults`].
    pub const ALL: [Self; 10] = [
        Self::NoSlot,
        Self::BadLength,
        Self::BadIndex,
        Self::BadChain,
        Self::BadHeader,
        Self::BadFrameCheck,
        Self::TooLong,
        Self::Unsendable,
        Self::Unheard,
        Self::Broken,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSlot => "nic_no_slot",
            Self::BadLength => "nic_bad_length",
            Self::BadIndex => "nic_bad_index",
            Self::BadChain => "nic_bad_chain",
            Self::BadHeader => "nic_bad_header",
            Self::BadFrameCheck => "nic_bad_frame_check",
            Self::TooLong => "nic_too_long",
            Self::Unsendable => "nic_unsendable",
            Self::Unheard => "nic_unheard",
            Self::Broken => "nic_broken",
        }
    }
}
