//! A driver as its kernel uses it: the stack's [`Nic`], and what only the kernel calls.
//!
//! Invariant: interrupt handlers touch nothing of a driver. They count, and silence their line where there is one; the
//! kernel's loop then calls [`Driver`].

use lendwire_nic::Nic;

bitflags::bitflags! {
    /// Why a device interrupted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Causes: u8 {
        /// Frames were received or sent.
        const FRAMES = 1;
        /// The device is no longer what it was: call [`Driver::on_configuration_change`].
        const CONFIGURATION = 1 << 1;
    }
}

bitflags::bitflags! {
    /// What became of a device, for the kernel to act on.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Events: u8 {
        /// [`Nic::link`] has changed.
        const LINK = 1;
        /// The network forgot where this machine is, as after a migration: announce its addresses.
        const ANNOUNCE = 1 << 1;
        /// The device gave up, was reset and runs again. What was in its queues is lost; filters stand as before.
        const RESTARTED = 1 << 2;
        /// It stopped for good, or is gone: [`Nic::link`] is down from now on.
        const BROKEN = 1 << 3;
    }
}

/// A network device's driver.
pub trait Driver: Nic {
    /// The device interrupted `count` times about frames; for [`Nic::statistics`].
    fn on_interrupts(&mut self, count: u64);

    /// For a device on an interrupt line: asks why it interrupted, which makes it let go of the line. Nothing, when it
    /// was another device on the same line.
    fn acknowledge(&mut self) -> Causes;

    /// Looks at what the device says of itself: its link, requests, whether it still works.
    fn on_configuration_change(&mut self) -> Events;

    /// Stops the device and gives everything back that it used. What is called afterwards does nothing. Dropping a
    /// driver does the same.
    ///
    /// # Errors
    /// [`Unstoppable`].
    fn quiesce(&mut self) -> Result<(), Unstoppable>;
}

/// The device did not confirm that it stopped. The memory it may still use is never given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstoppable;
