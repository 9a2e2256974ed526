//! What becomes of a device that lied, gave up, or is gone (virtio 1.2 §2.1.2, §2.6.1, §3.3).
//!
//! Invariant: nothing is taken from a device that lied before it was reset; what it held is dropped once, after the
//! reset. A device that needs this again and again without a good frame between is given up, and one that is gone at
//! once: neither is waited for without end.

use lendwire_nic::{Fault, Link};

use super::features::Features;
use super::net::{Health, VirtioNet};
use super::pair::Lie;
use super::probe::{CONFIG_STATUS, STATUS_ANNOUNCE, STATUS_LINK_UP};
use super::transport::{GONE, status};
use crate::driver::Events;
use crate::platform::Platform;
use crate::registers::Registers;

/// Recoveries in a row, without a good frame, after which a device is given up.
const SETBACKS: u8 = 8;

impl<P: Platform, R: Registers> VirtioNet<P, R> {
    /// Resets the device and starts it again, for a kernel that sees no packet pass. What was in its queues is lost; what
    /// it was told stands.
    ///
    /// Returns whether it runs.
    pub fn restart(&mut self) -> bool {
        if self.is_running() {
            self.recover();
        }
        self.is_running()
    }

    /// A queue of pair `number` completed what it was not given. Where a queue can be reset alone, the other queues
    /// go on; else the whole device starts anew.
    pub(super) fn on_lie(&mut self, number: u16, lie: Lie) {
        self.statistics.count(lie.fault);
        let alone = self.features.contains(Features::RING_RESET) && self.setbacks < SETBACKS;
        if alone && self.pairs.pair(number).restart_queue(lie.side, &self.transport, &self.platform) {
            self.setbacks += 1;
            self.recovered();
            return;
        }
        self.recover();
    }

    /// Looks whether the device is still there, and still works.
    pub(super) fn look_at_status(&mut self) {
        if !self.is_running() {
            return;
        }
        match self.transport.status() {
            GONE => self.give_up(),
            bits if bits & status::NEEDS_RESET != 0 => self.recover(),
            _ => {}
        }
    }

    /// Resets the device and starts it anew, or gives it up.
    fn recover(&mut self) {
        if self.setbacks >= SETBACKS || self.transport.reset().is_none() {
            return self.give_up();
        }
        self.setbacks += 1;
        // The device uses no memory any more.
        self.pairs.reset();
        if let Some(control) = &mut self.control {
            control.reset();
        }
        match self.reconnect() {
            // What it said of its link may have been the end already.
            Ok(()) if self.is_running() => self.recovered(),
            Ok(()) | Err(_) => self.give_up(),
        }
    }

    fn recovered(&mut self) {
        self.statistics.recoveries += 1;
        self.events |= Events::RESTARTED;
    }

    /// The device is not listened to any more.
    pub(super) fn give_up(&mut self) {
        if !self.is_running() {
            return;
        }
        self.health = Health::Broken;
        self.statistics.count(Fault::Broken);
        self.events |= Events::BROKEN;
        self.transport.add_status(status::FAILED);
    }

    /// What the device says of its link, and whether it asks for an announcement.
    pub(super) fn read_link(&mut self) {
        if !self.is_running() || !self.features.contains(Features::STATUS) {
            return;
        }
        let Ok(status) = self.transport.read_config(CONFIG_STATUS + 2, |device| device.read16(CONFIG_STATUS)) else {
            return self.give_up();
        };
        self.link = if status & STATUS_LINK_UP == 0 { Link::Down } else { Link::Up };
        if status & STATUS_ANNOUNCE != 0 {
            self.acknowledge_announcement();
        }
    }
}
