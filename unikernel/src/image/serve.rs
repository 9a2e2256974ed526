//! The loop: poll while there is something to do, then arm, look again, and sleep until an interrupt or a deadline.
//!
//! Invariant: an idle machine runs no instruction between two deadlines, and there is no deadline when nobody waits for
//! anything. No wake-up is lost: the device is asked once more after its interrupts are armed, and interrupts stay off
//! until the instruction that sleeps.

use alloc::boxed::Box;

use lendwire_drivers::driver::{Causes, Driver, Events};
use lendwire_nic::{Fault, Interrupts, Link, Pending};
use lendwire_unikernel::command_line::Poll;

use super::device::{Card, Wired};
use super::network::{Network, Version};
use crate::arch::serial::line;
use crate::arch::timer::Clock;
use crate::arch::{Taken, idle, interrupts, memory};

/// Frames in, and segments out, between two looks at the clock.
const BUDGET: usize = 128;
/// How long `poll=adaptive` goes on looking after the last frame, in microseconds: the next one of a burst comes sooner
/// than a sleeping machine wakes up.
const PATIENCE: u64 = 50;

/// Everything that runs.
pub(super) struct Loop {
    network: Network,
    device: Box<dyn Driver>,
    clock: Clock,
    poll: Poll,
    /// Interrupts that the driver was told of.
    told: Taken,
    /// How often the device had given up, at the last look.
    setbacks: u64,
    allocations_at_start: u64,
    said: Said,
}

/// What became of one poll.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// No frame passed.
    Empty,
    /// Frames passed, and nothing is left to do that is known of.
    Finished,
    /// Frames passed, and there is more to do.
    Unfinished,
}

/// What was announced on the serial line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Ready,
    FirstReply,
}

impl Loop {
    pub(super) fn new(network: Network, card: Card, clock: Clock, poll: Poll) -> Self {
        let told = interrupts::taken();
        // What never interrupts must be looked at without being asked.
        let poll = if card.wired() == Wired::Nowhere { Poll::Always } else { poll };
        let device = card.driver;
        let allocations_at_start = memory::allocations();
        Self { network, device, clock, poll, told, setbacks: 0, allocations_at_start, said: Said::Nothing }
    }

    pub(super) fn run(mut self) -> ! {
        let mut busy_until = 0;
        loop {
            let now = self.clock.now();
            let round = self.round();
            if round != Round::Empty {
                busy_until = now + PATIENCE;
            }
            let may_sleep = match (self.poll, round) {
                (Poll::Always, _) | (_, Round::Unfinished) | (Poll::Adaptive, Round::Finished) => false,
                (Poll::Adaptive, Round::Empty) => now >= busy_until,
                // The device is asked once more before it sleeps, so no frame is missed for want of another round.
                (Poll::Never, Round::Finished | Round::Empty) => true,
            };
            if may_sleep {
                self.sleep();
            } else if self.poll == Poll::Always {
                idle::glance();
            }
        }
    }

    /// One poll of everything.
    fn round(&mut self) -> Round {
        self.tell_interrupts();
        let sent = self.device.statistics().sent;
        let Network { stack, server, interface, .. } = &mut self.network;
        let allocations = memory::allocations() - self.allocations_at_start;
        let now = self.clock.instant();
        let polled = server.poll(stack, &mut *self.device, *interface, now, BUDGET, allocations);
        self.announce();
        let after = self.device.statistics();
        // A driver that finds its device broken has no interrupt to tell it by.
        let setbacks = after.recoveries + after.faults[Fault::Broken as usize];
        if core::mem::replace(&mut self.setbacks, setbacks) != setbacks {
            let events = self.device.on_configuration_change();
            self.act_on(events);
        }
        let Network { stack, server, .. } = &self.network;
        // A ring that stays full is not worth spinning for: the device interrupts when it has room.
        match polled.received > 0 || after.sent != sent {
            false => Round::Empty,
            true if polled.again || stack.has_news() || !server.is_fed() => Round::Unfinished,
            true => Round::Finished,
        }
    }

    fn sleep(&mut self) {
        if self.device.set_interrupts(Interrupts::Armed) == Pending::Nothing {
            let deadlines = [self.network.stack.next_deadline(), self.network.server.next_deadline()];
            let next = deadlines.into_iter().flatten().min();
            idle::sleep(&self.clock, next.map(|deadline| deadline.micros()));
        }
        self.device.set_interrupts(Interrupts::Masked);
    }

    fn tell_interrupts(&mut self) {
        let taken = interrupts::taken();
        if taken.device != self.told.device {
            self.device.on_interrupts(taken.device - self.told.device);
        }
        let mut is_changed = taken.configuration != self.told.configuration;
        if taken.line != self.told.line {
            let causes = self.device.acknowledge();
            if causes.contains(Causes::FRAMES) {
                self.device.on_interrupts(taken.line - self.told.line);
            }
            is_changed |= causes.contains(Causes::CONFIGURATION);
            // Only a device that was acknowledged has let go of the line.
            interrupts::reopen_line();
        }
        self.told = taken;
        if is_changed {
            let events = self.device.on_configuration_change();
            self.act_on(events);
        }
    }

    /// What became of the device. One that is broken brings nothing and interrupts no more, so that the machine sleeps
    /// but for its own deadlines.
    fn act_on(&mut self, events: Events) {
        let name = self.device.info().name;
        if events.contains(Events::LINK) {
            let state = match self.device.link() {
                Link::Up => "up",
                Link::Down => "down",
            };
            line(format_args!("lendwire: the link of {name} is {state}"));
        }
        if events.contains(Events::ANNOUNCE) {
            let Network { stack, interface, .. } = &mut self.network;
            stack.announce(*interface, self.clock.instant());
        }
        if events.contains(Events::RESTARTED) {
            line(format_args!("lendwire: {name} gave up, and was started again"));
        }
        if events.contains(Events::BROKEN) {
            line(format_args!("lendwire: {name} is broken or gone, and left alone from now on"));
        }
    }

    /// The lines that `cargo xtask run` waits for.
    fn announce(&mut self) {
        match self.said {
            Said::Nothing if self.network.is_reachable() => {
                self.said = Said::Ready;
                line(format_args!(
                    "lendwire: ready mac={} ip4={} ip6={} us={}",
                    self.device.info().address,
                    self.network.list(Version::V4),
                    self.network.list(Version::V6),
                    self.clock.now(),
                ));
            }
            Said::Ready if self.network.server.responses() > 0 => {
                self.said = Said::FirstReply;
                line(format_args!("lendwire: first-reply us={}", self.clock.now()));
            }
            Said::Nothing | Said::Ready | Said::FirstReply => {}
        }
    }
}
