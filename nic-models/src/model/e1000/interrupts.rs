//! Causes, masks, the interrupt line and the messages (SDM §3.2.7, DS §7.4, §10.2.4).

use alloc::vec::Vec;

use super::kind::Kind;
use super::map::register::{CTRL_EXT, EIAC, ICR, IMS, IVAR};
use super::registers::State;
use crate::platform::Message;

/// Causes, by their bits.
pub mod cause {
    /// A transmit descriptor was written back.
    pub const TXDW: u32 = 1;
    /// The transmit ring ran empty.
    pub const TXQE: u32 = 1 << 1;
    /// The link changed.
    pub const LSC: u32 = 1 << 2;
    /// Few receive descriptors are left.
    pub const RXDMT0: u32 = 1 << 4;
    /// A frame found no descriptor.
    pub const RXO: u32 = 1 << 6;
    /// A frame was received.
    pub const RXT0: u32 = 1 << 7;
    /// 82574L: a TCP acknowledgment was received.
    pub const ACK: u32 = 1 << 17;
    /// 82574L with messages: receive queue 0.
    pub const RXQ0: u32 = 1 << 20;
    /// 82574L with messages: receive queue 1.
    pub const RXQ1: u32 = 1 << 21;
    /// 82574L with messages: transmit queue 0.
    pub const TXQ0: u32 = 1 << 22;
    /// 82574L with messages: transmit queue 1.
    pub const TXQ1: u32 = 1 << 23;
    /// 82574L with messages: everything else.
    pub const OTHER: u32 = 1 << 24;
    /// 82574L: there is a cause.
    pub const ASSERTED: u32 = 1 << 31;
}

/// The causes that OTHER stands for.
const OTHER_CAUSES: u32 = cause::LSC | cause::RXO | cause::ACK | 0x5_0200;
/// CTRL_EXT: a cause read acknowledges by the mask of IAM.
const IAME: u32 = 1 << 27;
const ENTRY_VALID: u32 = 1 << 3;

/// What is behind ICR beside the registers.
#[derive(Default)]
pub(super) struct Interrupts {
    pub(super) is_line_asserted: bool,
    /// Causes whose message was sent and which nobody has acknowledged yet.
    announced: u32,
    /// Four words a message.
    pub(super) table: [u32; 4 * super::config::VECTORS as usize],
    pub(super) messages: Vec<Message>,
    pub(super) raised: u64,
}

impl State {
    pub(super) fn raise(&mut self, causes: u32) {
        let all = self.word(ICR) | causes;
        self.set_word(ICR, all);
        self.update_interrupts();
    }

    /// The driver asks why.
    pub(super) fn read_causes(&mut self) -> u32 {
        self.update_interrupts();
        let causes = self.word(ICR);
        // The 82574L keeps causes of which none is enabled, unless none is (DS §10.2.4.1, and QEMU 7.2).
        let mask = self.word(IMS);
        let is_cleared = !self.kind().is_express() || mask == 0 || causes & mask != 0;
        if is_cleared {
            self.set_word(ICR, 0);
        }
        self.update_interrupts();
        causes
    }

    pub(super) fn clear_causes(&mut self, causes: u32) {
        let others = if causes & cause::OTHER == 0 { 0 } else { OTHER_CAUSES };
        let rest = self.word(ICR) & !(causes | others);
        self.set_word(ICR, rest);
        self.update_interrupts();
    }

    pub(super) fn mask(&mut self, set: u32, clear: u32) {
        let mask = (self.word(IMS) | set) & !clear;
        self.set_word(IMS, mask);
        self.update_interrupts();
    }

    /// Which cause a finished transmit descriptor is.
    pub(super) fn sent_cause(&self) -> u32 {
        if self.config.sends_messages() { cause::TXQ0 } else { cause::TXDW }
    }

    /// Which cause a received frame is.
    pub(super) fn received_cause(&self, is_short: bool) -> u32 {
        if self.config.sends_messages() {
            return cause::RXQ0;
        }
        cause::RXT0 | if is_short { cause::RXDMT0 } else { 0 }
    }

    pub(super) fn update_interrupts(&mut self) {
        let mut causes = self.word(ICR) & !cause::ASSERTED;
        let sends_messages = self.config.sends_messages();
        if sends_messages && causes & OTHER_CAUSES != 0 {
            causes |= cause::OTHER;
        }
        if self.kind() == Kind::E82574L && causes != 0 {
            causes |= cause::ASSERTED;
        }
        self.set_word(ICR, causes);
        let due = causes & self.word(IMS) & !cause::ASSERTED;
        if sends_messages {
            self.interrupts.is_line_asserted = false;
            return self.send_messages(due);
        }
        let was_asserted = self.interrupts.is_line_asserted;
        self.interrupts.is_line_asserted = due != 0 && !self.config.is_line_silenced();
        if self.interrupts.is_line_asserted && !was_asserted {
            self.interrupts.raised += 1;
        }
    }

    fn send_messages(&mut self, due: u32) {
        self.interrupts.announced &= due;
        let fresh = due & !self.interrupts.announced;
        self.interrupts.announced |= fresh;
        let routes = [(cause::RXQ0, 0), (cause::RXQ1, 4), (cause::TXQ0, 8), (cause::TXQ1, 12), (cause::OTHER, 16)];
        for (bit, shift) in routes {
            if fresh & bit != 0 {
                self.send_message(bit, self.word(IVAR) >> shift & 0xf);
            }
        }
    }

    fn send_message(&mut self, bit: u32, entry: u32) {
        if entry & ENTRY_VALID != 0 {
            let vector = 4 * (entry & 7) as usize;
            let [low, high, data, control] =
                *self.interrupts.table.get(vector..vector + 4).expect("IVAR names a message that there is")
            else {
                unreachable!("four words were taken")
            };
            // A masked message would stay pending: drivers mask by IMS.
            if control & 1 == 0 {
                let address = u64::from(high) << 32 | u64::from(low);
                self.interrupts.messages.push(Message { address, data });
                self.interrupts.raised += 1;
            }
        }
        // What EIAC names is acknowledged by its message, and masked until the driver asks again (QEMU 7.2).
        let automatic = self.word(EIAC) & bit;
        self.interrupts.announced &= !automatic;
        let causes = self.word(ICR) & !automatic;
        self.set_word(ICR, causes);
        if self.word(CTRL_EXT) & IAME == 0 {
            let mask = self.word(IMS) & !automatic;
            self.set_word(IMS, mask);
        }
    }
}
