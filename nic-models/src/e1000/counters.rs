//! The device's statistics registers (8254x §13.7, 82574 §10.2).
//!
//! Invariant: a register of 32 bits clears when it is read and stops at its highest value, so sums over the reads are
//! exact as long as somebody reads in time.

use super::hardware::Hardware;
use crate::registers::Registers;

/// What the device has counted since it was started. Every count only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardwareStatistics {
    /// Good frames received (GPRC).
    pub received: u64,
    /// Their bytes, check sequences included (GORC).
    pub received_bytes: u64,
    /// Good broadcast frames received (BPRC).
    pub broadcasts: u64,
    /// Good multicast frames received (MPRC).
    pub multicasts: u64,
    /// Good frames sent (GPTC); each piece of a segmented packet is one.
    pub sent: u64,
    /// Their bytes, check sequences included (GOTC).
    pub sent_bytes: u64,
    /// Frames lost because the device's own buffer was full (MPC).
    pub missed: u64,
    /// Frames that found no receive buffer at first (RNBC).
    pub no_buffers: u64,
    /// Frames whose check sequence was wrong (CRCERRS).
    pub bad_frame_checks: u64,
    /// Frames with an error of the receiver (RXERRC).
    pub receive_errors: u64,
    /// Frames whose length field was wrong (RLEC).
    pub bad_lengths: u64,
    /// Frames that were too short (RUC).
    pub undersized: u64,
    /// Frames that were too long (ROC).
    pub oversized: u64,
    /// Frames given up after too many collisions (ECOL).
    pub collided: u64,
}

const CRCERRS: usize = 0x4000;
const RXERRC: usize = 0x400c;
const MPC: usize = 0x4010;
const ECOL: usize = 0x4018;
const RLEC: usize = 0x4040;
const GPRC: usize = 0x4074;
const BPRC: usize = 0x4078;
const MPRC: usize = 0x407c;
const GPTC: usize = 0x4080;
const GORC: usize = 0x4088;
const GOTC: usize = 0x4090;
const RNBC: usize = 0x40a0;
const RUC: usize = 0x40a4;
const ROC: usize = 0x40ac;

impl HardwareStatistics {
    /// Adds what was counted since the last time.
    pub(super) fn collect<R: Registers>(&mut self, hardware: &Hardware<R>) {
        let narrow = |register: usize| u64::from(hardware.read(register));
        // The low half is read first: reading the high one clears both.
        let wide = |register: usize| narrow(register) | narrow(register + 4) << 32;
        // A device on its way out may say anything, so sums stay at their end.
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.received, narrow(GPRC));
        add(&mut self.received_bytes, wide(GORC));
        add(&mut self.broadcasts, narrow(BPRC));
        add(&mut self.multicasts, narrow(MPRC));
        add(&mut self.sent, narrow(GPTC));
        add(&mut self.sent_bytes, wide(GOTC));
        add(&mut self.missed, narrow(MPC));
        add(&mut self.no_buffers, narrow(RNBC));
        add(&mut self.bad_frame_checks, narrow(CRCERRS));
        add(&mut self.receive_errors, narrow(RXERRC));
        add(&mut self.bad_lengths, narrow(RLEC));
        add(&mut self.undersized, narrow(RUC));
        add(&mut self.oversized, narrow(ROC));
        add(&mut self.collided, narrow(ECOL));
    }
}
