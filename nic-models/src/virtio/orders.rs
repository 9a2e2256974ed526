//! What the device is told through its control queue: kept, so that it can be told again after a reset.
//!
//! Invariant: an order that the device does not obey is counted and has no other effect: it then passes more frames than
//! asked, or uses one pair of queues. Packets pass as before.

use lendwire_nic::{Fault, MacAddress, Offloads};

use super::control::{Order, Unheard};
use super::features::Features;
use super::filter::Filter;
use super::net::VirtioNet;
use super::spread::Spread;
use crate::driver::Events;
use crate::platform::Platform;
use crate::registers::Registers;

/// What the kernel and the stack asked for last.
pub(super) struct Orders {
    pub(super) filter: Filter,
    address: Option<MacAddress>,
    guest_offloads: Option<Features>,
    pub(super) spread: Option<Spread>,
}

impl Orders {
    /// Nothing beyond what every driver wants.
    pub(super) const fn new() -> Self {
        Self { filter: Filter::new(), address: None, guest_offloads: None, spread: None }
    }
}

/// What a device receives of the frames that are for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// None: its own address, broadcast and the groups asked for.
    Own,
    /// All: it is promiscuous.
    Everything,
}

/// A device that cannot be told, does not answer, or refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disobeyed;

impl<P: Platform, R: Registers> VirtioNet<P, R> {
    /// Lets frames in that are for others, or no more.
    ///
    /// # Errors
    /// [`Disobeyed`].
    pub fn set_reception(&mut self, reception: Reception) -> Result<(), Disobeyed> {
        self.orders.filter.is_promiscuous = reception == Reception::Everything;
        self.tell_reception()
    }

    /// Gives the device another address.
    ///
    /// # Errors
    /// [`Disobeyed`]: it keeps its own.
    pub fn set_address(&mut self, address: MacAddress) -> Result<(), Disobeyed> {
        self.tell(Features::CTRL_MAC_ADDR, Order::Address, &[&address.0])?;
        self.orders.address = Some(address);
        self.info.address = address;
        Ok(())
    }

    /// Has the device do this much for received frames, of [`Offloads::RX_CHECKSUM`] and [`Offloads::RX_COALESCE`], as
    /// far as it offered it when it was started.
    ///
    /// # Errors
    /// [`Disobeyed`]: it does what it did.
    pub fn set_receive_offloads(&mut self, offloads: Offloads) -> Result<(), Disobeyed> {
        let mut wanted = Features::empty();
        wanted.set(Features::GUEST_CSUM, offloads.contains(Offloads::RX_CHECKSUM));
        // A large frame's checksum is never complete.
        wanted.set(Features::LARGE_RECEIVE, offloads.contains(Offloads::RX_CHECKSUM | Offloads::RX_COALESCE));
        let wanted = wanted & self.features;
        self.tell_guest_offloads(wanted)?;
        self.orders.guest_offloads = Some(wanted);
        Ok(())
    }

    /// Tells a device that was just started everything that was asked for.
    pub(super) fn restore(&mut self) {
        // What is not obeyed was counted, and all of these can do without.
        let _ = self.tell_reception();
        self.tell_groups();
        self.tell_vlans(&[0; 64]);
        if let Some(address) = self.orders.address
            && self.tell(Features::CTRL_MAC_ADDR, Order::Address, &[&address.0]).is_ok()
        {
            self.info.address = address;
        }
        if let Some(wanted) = self.orders.guest_offloads {
            let _ = self.tell_guest_offloads(wanted);
        }
        self.tell_spread();
    }

    fn tell_reception(&mut self) -> Result<(), Disobeyed> {
        let on = u8::from(self.orders.filter.is_promiscuous);
        self.tell(Features::CTRL_RX, Order::Promiscuous, &[&[on]])
    }

    /// The groups to receive: a table, or all of them where there are too many for one, or the device takes none.
    pub(super) fn tell_groups(&mut self) {
        if let Some(groups) = self.orders.filter.groups() {
            let mut table = [0; Filter::TABLE];
            let len = groups.len() * 6;
            for (entry, group) in table.chunks_exact_mut(6).zip(groups) {
                entry.copy_from_slice(&group.0);
            }
            let count = (groups.len() as u32).to_le_bytes();
            // No further address of its own, then the groups.
            let told = self.tell(Features::CTRL_RX, Order::Addresses, &[&0u32.to_le_bytes(), &count, &table[..len]]);
            if told.is_ok() {
                let _ = self.tell(Features::CTRL_RX, Order::AllMulticast, &[&[0]]);
                return;
            }
        }
        let _ = self.tell(Features::CTRL_RX, Order::AllMulticast, &[&[1]]);
    }

    /// The VLANs to receive, where they differ from `before`. All of them are 4,095 orders.
    pub(super) fn tell_vlans(&mut self, before: &[u64; 64]) {
        for (vlan, wanted) in self.orders.filter.vlans_since(before) {
            let order = if wanted { Order::AddVlan } else { Order::RemoveVlan };
            if self.tell(Features::CTRL_VLAN, order, &[&vlan.to_le_bytes()]).is_err() {
                return;
            }
        }
    }

    fn tell_guest_offloads(&mut self, wanted: Features) -> Result<(), Disobeyed> {
        self.tell(Features::CTRL_GUEST_OFFLOADS, Order::GuestOffloads, &[&wanted.bits().to_le_bytes()])
    }

    /// How many pairs to use, and how to choose one.
    fn tell_spread(&mut self) {
        let pairs = self.pairs.count();
        let Some(spread) = &self.orders.spread else { return };
        let rss = spread.rss(&self.transport, pairs);
        let report = spread.report(&self.transport);
        let told = match (rss, report) {
            (Some((bytes, len)), _) if self.features.contains(Features::RSS) => {
                self.tell(Features::RSS, Order::Spread, &[&bytes[..len]])
            }
            (_, report) => {
                if let Some(bytes) = report {
                    let _ = self.tell(Features::HASH_REPORT, Order::Hash, &[&bytes]);
                }
                self.tell(Features::MQ, Order::Pairs, &[&pairs.to_le_bytes()])
            }
        };
        self.pairs.set_used(if told.is_ok() { pairs } else { 1 });
        self.info.queues = self.pairs.used();
    }

    /// The network forgot where this machine is: the kernel is to say it, and the device need not ask again.
    pub(super) fn acknowledge_announcement(&mut self) {
        if !self.features.contains(Features::GUEST_ANNOUNCE) {
            return;
        }
        let _ = self.tell(Features::GUEST_ANNOUNCE, Order::Announced, &[]);
        self.events |= Events::ANNOUNCE;
    }

    /// Gives one order, where it was agreed that the device takes it.
    fn tell(&mut self, feature: Features, order: Order, data: &[&[u8]]) -> Result<(), Disobeyed> {
        if !self.is_running() || !self.features.contains(feature) {
            return Err(Disobeyed);
        }
        let Some(control) = &mut self.control else { return Err(Disobeyed) };
        let given = control.give(&self.transport, &self.platform, order, data);
        self.statistics.kicks += control.take_kicks();
        match given {
            Ok(()) => return Ok(()),
            Err(Unheard::Refused) => self.statistics.count(Fault::Unheard),
            Err(Unheard::Mute(fault)) => self.statistics.count(fault),
            Err(Unheard::NotAsked) => {}
        }
        Err(Disobeyed)
    }
}
