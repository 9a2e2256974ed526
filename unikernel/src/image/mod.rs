//! The program: from a machine that has just woken to one that serves.
//!
//! | file | what it is |
//! |---|---|
//! | `counts` | with the feature `counts`: the paths whose instructions are counted |
//! | `capacity` | how much of everything fits the machine's memory |
//! | `device` | the network card: which driver it needs, and how its interrupts are told |
//! | `network` | the stack, its addresses and the services |
//! | `plain` | the card, when it is not to help |
//! | `serve` | the loop: poll, announce, sleep |
//!
//! Invariant: all memory is taken before [`serve`] begins; nothing allocates afterwards.

mod capacity;
#[cfg(feature = "counts")]
mod counts;
mod device;
mod network;
mod plain;
mod serve;

use core::fmt;

use lendwire_nic::Pool;
use lendwire_unikernel::command_line;

use self::capacity::Capacity;
use self::device::{Card, Lost};
use self::network::Network;
use self::serve::Loop;
use crate::arch::exit::fail;
use crate::arch::serial::line;
use crate::arch::{Machine, entropy};

/// Runs until the machine is switched off.
pub(crate) fn run(machine: Machine) -> ! {
    let Machine { calibration, command_line, ram } = machine;
    let Some(command_line) = command_line.text() else {
        give_up(format_args!("the command line is longer than 1023 bytes, or not UTF-8: shorten it"));
    };
    #[cfg(feature = "counts")]
    if let Some((way, filter)) = counts::asked(command_line) {
        counts::run(way, &filter);
    }
    let settings = match command_line::parse(command_line) {
        Ok(settings) => settings,
        Err(mistake) => give_up(format_args!("{mistake}")),
    };
    let capacity = Capacity::of(ram);
    let pools = capacity.pools();
    let mut card = match device::find(pools.receive, &settings) {
        Ok(card) => card,
        Err(problem) => give_up(format_args!("{problem}")),
    };
    restart(&mut card, pools.receive, settings.restarts);
    let Some(capacity) = capacity.beside_device(pools.receive) else {
        give_up(format_args!(
            "the rings of {} leave no memory to wait in: give the machine more, as with -m 8",
            card.driver.info().name
        ));
    };
    let (secret, source) = entropy::secret();
    // Everything up to here ran beside the measurement.
    let clock = calibration.finish();
    let info = card.driver.info();
    line(format_args!(
        "lendwire: {} KiB of memory, counter at {} kHz, entropy by {source:?}, {}, pairs of queues: {}, {:?}, interrupts {}",
        ram / 1024,
        clock.counter_khz(),
        info.name,
        info.queues,
        info.offloads,
        card.wired(),
    ));
    let network = match Network::start(&settings, &capacity, &pools, info, secret, clock.instant()) {
        Ok(network) => network,
        Err(problem) => give_up(format_args!("{problem}")),
    };
    Loop::new(network, card, clock, settings.poll).run()
}

/// `restart=`: the life of a driver, over and over, and what it left behind.
fn restart(card: &mut Card, receive: &'static Pool, times: u32) {
    if times == 0 {
        return;
    }
    match card.restart(receive, times) {
        Ok(Lost { slots: 0, blocks: 0 }) => {
            line(format_args!("lendwire: restarted {} {times} times, nothing lost", card.driver.info().name));
        }
        Ok(Lost { slots, blocks }) => {
            give_up(format_args!("{times} restarts lost {slots} slots, {blocks} heap blocks"))
        }
        Err(error) => give_up(format_args!("{error}")),
    }
}

/// Ends a run that cannot be.
fn give_up(reason: fmt::Arguments<'_>) -> ! {
    line(format_args!("lendwire: {reason}"));
    fail()
}
