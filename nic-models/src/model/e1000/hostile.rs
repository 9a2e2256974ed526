//! What only a device does that lies.

use super::device::E1000Model;
use super::map::register::{RDBAL, TDBAL};
use super::receive::Report;
use super::ring::{HEAD, TAIL};
use super::status;

/// What the device says of a receive descriptor, true or not.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Bytes in its buffer.
    pub len: u16,
    /// Status and errors, as [`super::status`] names them.
    pub status: u32,
    /// The tag control field.
    pub vlan: u16,
    /// Type and value of the hash.
    pub hash: Option<(u32, u32)>,
}

impl Claim {
    /// A whole frame of `len` bytes in one descriptor.
    #[must_use]
    pub const fn frame(len: u16) -> Self {
        Self { len, status: status::DD | status::EOP | status::IXSM, vlan: 0, hash: None }
    }

    /// The same with `status` too.
    #[must_use]
    pub const fn with(self, status: u32) -> Self {
        Self { status: self.status | status, ..self }
    }

    /// The same without `status`.
    #[must_use]
    pub const fn without(self, status: u32) -> Self {
        Self { status: self.status & !status, ..self }
    }
}

impl E1000Model {
    /// Claims something of the next receive descriptor and goes on to the one after; returns whether there was one.
    pub fn claim(&self, claim: Claim) -> bool {
        let mut state = self.state_mut();
        let ring = state.ring(RDBAL);
        if ring.available() == 0 {
            return false;
        }
        let report = Report { status: claim.status, vlan: claim.vlan, hash: claim.hash };
        state.write_back(ring, ring.head, claim.len, report);
        state.advance(RDBAL);
        true
    }

    /// Claims something of descriptor `index`, wherever head and tail are.
    pub fn claim_at(&self, index: u32, claim: Claim) {
        let state = self.state();
        let ring = state.ring(RDBAL);
        let report = Report { status: claim.status, vlan: claim.vlan, hash: claim.hash };
        state.write_back(ring, index % ring.len, claim.len, report);
    }

    /// Writes `bytes` into the buffer of the next receive descriptor, and claims nothing.
    pub fn fill(&self, bytes: &[u8]) {
        let state = self.state();
        let ring = state.ring(RDBAL);
        state.memory.write(state.buffer(ring, ring.head), bytes);
    }

    /// Sets DD in transmit descriptor `index`, wherever head and tail are.
    pub fn claim_sent(&self, index: u32) {
        let state = self.state();
        let ring = state.ring(TDBAL);
        state.report_sent(ring, index % ring.len);
    }

    /// Overwrites descriptor `index` of the receive ring.
    pub fn overwrite_receive(&self, index: u32, bytes: [u8; 16]) {
        let state = self.state();
        let ring = state.ring(RDBAL);
        state.memory.write(ring.at(index % ring.len), &bytes);
    }

    /// Overwrites descriptor `index` of the transmit ring.
    pub fn overwrite_transmit(&self, index: u32, bytes: [u8; 16]) {
        let state = self.state();
        let ring = state.ring(TDBAL);
        state.memory.write(ring.at(index % ring.len), &bytes);
    }

    /// Overwrites every descriptor of both rings with `byte`.
    pub fn scribble(&self, byte: u8) {
        for index in 0..self.receive_ring_len() {
            self.overwrite_receive(index, [byte; 16]);
        }
        for index in 0..self.transmit_ring_len() {
            self.overwrite_transmit(index, [byte; 16]);
        }
    }

    /// Descriptors in the receive ring.
    #[must_use]
    pub fn receive_ring_len(&self) -> u32 {
        self.state().ring(RDBAL).len
    }

    /// Descriptors in the transmit ring.
    #[must_use]
    pub fn transmit_ring_len(&self) -> u32 {
        self.state().ring(TDBAL).len
    }

    /// Where receive head and tail are.
    #[must_use]
    pub fn receive_position(&self) -> (u32, u32) {
        let ring = self.state().ring(RDBAL);
        (ring.head, ring.tail)
    }

    /// Context descriptors that were read.
    #[must_use]
    pub fn contexts_read(&self) -> u64 {
        self.state().transmitter.contexts_read
    }

    /// Puts any number into both rings' heads.
    pub fn scramble_heads(&self, value: u32) {
        for first in [RDBAL, TDBAL] {
            self.state_mut().set_word(first + HEAD, value);
        }
    }

    /// Where the transmit tail is.
    #[must_use]
    pub fn transmit_tail(&self) -> u32 {
        self.state().word(TDBAL + TAIL)
    }

    /// Changes a register as the driver cannot.
    pub fn poke(&self, at: u32, value: u32) {
        self.state_mut().set_word(at, value);
    }

    /// Interrupts for `causes`, which did not happen.
    pub fn raise(&self, causes: u32) {
        self.state_mut().raise(causes);
    }

    /// Is unplugged: every register reads as ones.
    pub fn unplug(&self) {
        self.unplug_after(0);
    }

    /// Answers again after it was unplugged.
    pub fn plug_in(&self) {
        self.state_mut().life = None;
    }

    /// Is unplugged after `accesses` more.
    pub fn unplug_after(&self, accesses: u64) {
        self.state_mut().life = Some(accesses);
    }
}
