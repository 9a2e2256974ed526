//! What arrives: a frame is filtered, stripped and laid into descriptors (SDM §3.2, DS §7.1).

use super::cause;
use super::inspect::PCSD;
use super::map::register::{
    BPRC, CRCERRS, CTRL, GORCL, GPRC, MPC, MPRC, RCTL, RDBAL, RETA, RFCTL, RNBC, ROC, RXCSUM, TORL, TPR,
};
use super::registers::{RCTL_EN, State};
use super::ring::Ring;

/// Bits of a received descriptor's status, and of its errors above them, as the 82574L's extended form has them.
/// Legacy descriptors have the lowest and the highest byte.
pub mod status {
    /// The device is done with it.
    pub const DD: u32 = 1;
    /// It holds the end of the frame.
    pub const EOP: u32 = 1 << 1;
    /// Nothing is said of checksums.
    pub const IXSM: u32 = 1 << 2;
    /// A tag was stripped.
    pub const VP: u32 = 1 << 3;
    /// A UDP checksum was computed.
    pub const UDPCS: u32 = 1 << 4;
    /// A TCP or UDP checksum was computed.
    pub const TCPCS: u32 = 1 << 5;
    /// An IPv4 header's checksum was computed.
    pub const IPCS: u32 = 1 << 6;
    /// Error: the check sequence was wrong.
    pub const CE: u32 = 1 << 24;
    /// Error: the TCP or UDP checksum is wrong.
    pub const TCPE: u32 = 1 << 29;
    /// Error: the IPv4 header's checksum is wrong.
    pub const IPE: u32 = 1 << 30;
    /// Error: the frame was damaged on the wire.
    pub const RXE: u32 = 1 << 31;
}

/// RCTL: store bad packets, long packets, extended buffer sizes, strip the check sequence.
const SBP: u32 = 1 << 2;
const LPE: u32 = 1 << 5;
const BSEX: u32 = 1 << 25;
const SECRC: u32 = 1 << 26;
const CTRL_VME: u32 = 1 << 30;
/// RFCTL: extended descriptors.
const EXSTEN: u32 = 1 << 15;

/// What the last descriptor of a frame says.
#[derive(Clone, Copy, Default)]
pub(super) struct Report {
    pub(super) status: u32,
    pub(super) vlan: u16,
    /// Type and value.
    pub(super) hash: Option<(u32, u32)>,
}

impl State {
    /// A frame comes in whose check sequence is wrong by `damage`. Returns whether it reached memory.
    pub(super) fn receive(&mut self, frame: &[u8], damage: u32) -> bool {
        let control = self.word(RCTL);
        let is_on = control & RCTL_EN != 0 && self.is_link_up() && self.config.is_bus_master();
        if !is_on || self.life == Some(0) {
            return false;
        }
        let mut frame = frame.to_vec();
        // No shorter frame is on a wire.
        frame.resize(frame.len().max(60), 0);
        let sequence = (crc32fast::hash(&frame) ^ damage).to_le_bytes();
        if self.is_refused(&frame, control, damage) || !self.is_wanted(&frame) {
            return false;
        }
        let mut report = Report { status: if damage == 0 { 0 } else { status::CE }, ..Report::default() };
        if let Some(tag) = self.tag(&frame).filter(|_| self.word(CTRL) & CTRL_VME != 0) {
            frame.drain(12..16);
            report = Report { vlan: tag, status: report.status | status::VP, ..report };
        }
        self.inspect(&frame, &mut report);
        let acknowledgment = if self.is_acknowledgment(&frame) { cause::ACK } else { 0 };
        let counted = (frame[0], frame[..6] == [0xff; 6], frame.len() as u64 + 4);
        if control & SECRC == 0 {
            frame.extend(sequence);
        }
        if !self.lay_down(&frame, report) {
            return false;
        }
        self.count_received(counted);
        let ring = self.ring(RDBAL);
        let causes = self.received_cause(ring.available() <= ring.len / 2);
        self.raise(causes | acknowledgment);
        true
    }

    /// Whether the frame is no frame to a receiver: damaged, or longer than it takes.
    fn is_refused(&mut self, frame: &[u8], control: u32, damage: u32) -> bool {
        let longest = if control & LPE == 0 { 1518 } else { 16 * 1024 - 4 };
        let (is_damaged, is_long) = (damage != 0, frame.len() > longest);
        if is_damaged {
            self.count(CRCERRS, 1);
        }
        if is_long {
            self.count(ROC, 1);
        }
        (is_damaged || is_long) && control & SBP == 0
    }

    /// What is said of the bytes. Only the 82574L says anything.
    fn inspect(&self, frame: &[u8], report: &mut Report) {
        if !self.kind().is_express() {
            report.status |= status::IXSM;
            return;
        }
        report.status |= self.checksum_status(frame);
        if !self.is_extended() {
            return;
        }
        report.hash = self.hash(frame);
        if let Some((_, hash)) = report.hash {
            let entry = hash & 0x7f;
            let queue = self.word(RETA + 4 * (entry / 4)) >> (8 * (entry % 4)) & 0xff;
            assert_eq!(queue, 0, "the frame goes to a queue that there is");
        }
    }

    /// Spreads `bytes` over as many descriptors as they take, if they are there.
    fn lay_down(&mut self, bytes: &[u8], report: Report) -> bool {
        let size = self.buffer_size();
        let needed = bytes.len().div_ceil(size);
        let ring = self.ring(RDBAL);
        // Without a descriptor for all of it, the frame is missed (QEMU's receiver overrun).
        if (ring.available() as usize) < needed {
            self.count(RNBC, 1);
            self.count(MPC, 1);
            self.raise(cause::RXO);
            return false;
        }
        for (index, part) in (1..).zip(bytes.chunks(size)) {
            let ring = self.ring(RDBAL);
            let address = self.buffer(ring, ring.head);
            self.memory.write(address, part);
            let report = if index == needed {
                Report { status: report.status | status::DD | status::EOP, ..report }
            } else {
                Report { status: status::DD, ..Report::default() }
            };
            self.write_back(ring, ring.head, part.len() as u16, report);
            self.advance(RDBAL);
        }
        true
    }

    /// Where the buffer of descriptor `index` is.
    #[track_caller]
    pub(super) fn buffer(&self, ring: Ring, index: u32) -> u64 {
        let descriptor = self.descriptor(ring, index);
        let address = u64::from_le_bytes(descriptor[..8].try_into().expect("eight bytes"));
        assert!(address != 0, "a descriptor that was given has a buffer");
        if self.is_extended() {
            // The last eight bytes are where DD comes: the driver clears them (DS §7.1.4.1).
            assert_eq!(descriptor[8] & 1, 0, "a descriptor that was given is not done");
        }
        address
    }

    /// Tells the driver of one descriptor.
    pub(super) fn write_back(&self, ring: Ring, index: u32, len: u16, report: Report) {
        let at = ring.at(index);
        if self.is_extended() {
            let (kind, hash) = report.hash.filter(|_| self.word(RXCSUM) & PCSD != 0).unwrap_or((0, 0));
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&kind.to_le_bytes());
            bytes[4..8].copy_from_slice(&hash.to_le_bytes());
            bytes[8..12].copy_from_slice(&report.status.to_le_bytes());
            bytes[12..14].copy_from_slice(&len.to_le_bytes());
            bytes[14..].copy_from_slice(&report.vlan.to_le_bytes());
            return self.memory.write(at, &bytes);
        }
        let [length_low, length_high] = len.to_le_bytes();
        let [low, _, _, errors] = report.status.to_le_bytes();
        let [vlan_low, vlan_high] = report.vlan.to_le_bytes();
        self.memory.write(at + 8, &[length_low, length_high, 0, 0, low, errors, vlan_low, vlan_high]);
    }

    pub(super) fn is_extended(&self) -> bool {
        self.kind().is_express() && self.word(RFCTL) & EXSTEN != 0
    }

    /// What RCTL says of every buffer (SDM §13.4.22).
    pub(super) fn buffer_size(&self) -> usize {
        let control = self.word(RCTL);
        let size = 2048 >> (control >> 16 & 0b11);
        if control & BSEX == 0 {
            return size;
        }
        assert!(size != 2048, "BSEX needs a size");
        16 * size
    }

    fn count_received(&mut self, (first, is_broadcast, bytes): (u8, bool, u64)) {
        for at in [GPRC, TPR] {
            self.count(at, 1);
        }
        for at in [GORCL, TORL] {
            self.count_wide(at, bytes);
        }
        if is_broadcast {
            self.count(BPRC, 1);
        } else if first & 1 == 1 {
            self.count(MPRC, 1);
        }
    }
}
