//! [`VirtioNet`]: the driver as the kernel and the stack see it.

use lendwire_nic::{
    Fault, Full, Interrupts, Link, MulticastFilter, Nic, NicInfo, NicStatistics, Pending, Pool, RxPacket, Train,
    TxPacket, VlanFilter,
};

use super::control::Control;
use super::features::Features;
use super::orders::Orders;
use super::pair::{Pair, Rung, Side};
use super::pairs::Pairs;
use super::receive::{Refill, Trouble};
use super::ring::{Plainly, RING_SIZE};
use super::transmit::Refusal;
use super::transport::Transport;
use crate::driver::{Causes, Driver, Events, Unstoppable};
use crate::platform::Platform;
use crate::registers::{Mapped, Registers};
use crate::sendable::{is_sendable, longest_frame};

/// A running virtio network device.
///
/// Dropping it stops the device, as [`Driver::quiesce`] does.
pub struct VirtioNet<P: Platform, R: Registers = Mapped> {
    pub(super) platform: P,
    pub(super) transport: Transport<R>,
    /// Messages that interrupts go by.
    pub(super) vectors: u16,
    pub(super) receive: &'static Pool,
    pub(super) features: Features,
    pub(super) pairs: Pairs,
    pub(super) control: Option<Control>,
    pub(super) orders: Orders,
    pub(super) link: Link,
    pub(super) health: Health,
    /// Recoveries since the last good frame.
    pub(super) setbacks: u8,
    /// Times in a row that the transmit ring was full.
    pub(super) refusals: u32,
    /// What the kernel was not told yet.
    pub(super) events: Events,
    pub(super) info: NicInfo,
    pub(super) statistics: NicStatistics,
}

// A kernel moves it where it likes, over small stacks: the notes of its rings lie elsewhere.
const _: () = assert!(size_of::<VirtioNet<&dyn Platform>>() <= 2560);

/// What became of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Running,
    /// It is not listened to any more, but may still use memory.
    Broken,
    /// Everything was given back, or given up.
    Stopped,
}

/// A transmit ring that was full this often in a row is a reason to look whether the device is still there.
const REFUSALS: u32 = 256;

impl<P: Platform, R: Registers> VirtioNet<P, R> {
    pub(super) fn kick(&mut self) {
        let mut rung = Rung::default();
        for pair in self.pairs.all() {
            rung = rung.and(pair.kick(&self.transport));
        }
        self.rung(rung);
    }

    /// Doorbells were rung.
    fn rung(&mut self, rung: Rung) {
        self.statistics.kicks += rung.count();
        // A device that ran short of slots on one queue may hold back what came for it on another, where QEMU 7.2 spreads
        // frames itself: it goes on with that one only when it is rung too.
        if rung.receive > 0 && self.pairs.used() > 1 {
            let transport = &self.transport;
            self.statistics.kicks += self.pairs.all().map(|pair| pair.ring_receive(transport)).sum::<u64>();
        }
    }

    /// Gives every pair slots to receive into.
    fn refill(&mut self) {
        for number in 0..self.pairs.count() {
            self.refill_pair(number);
        }
    }

    #[inline(always)]
    fn refill_pair(&mut self, number: u16) {
        match self.pairs.pair(number).receiver.refill(&self.platform) {
            Refill::Done => {}
            Refill::Starved => self.statistics.count(Fault::NoSlot),
            Refill::Unreachable => self.give_up(),
        }
    }

    /// [`Nic::flush`] where there is something to do.
    #[inline(never)]
    fn flush_all(&mut self) {
        let mut rung = Rung::default();
        for number in 0..self.pairs.count() {
            if !self.is_running() {
                return;
            }
            if let Err(fault) = self.pairs.pair(number).transmitter.collect() {
                self.on_lie(number, Side::Transmit.lied(fault));
            }
            self.refill_pair(number);
            if self.is_running() {
                rung = rung.and(self.pairs.pair(number).flush(&self.transport));
            }
        }
        self.rung(rung);
    }

    /// [`Nic::transmit`] of what is not like the packet before, and what has to be refused.
    #[inline(never)]
    fn transmit_any(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if !self.is_running() {
            self.statistics.count(Fault::Broken);
            return Ok(());
        }
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        let number = self.pairs.of_flow(packet.flow);
        match self.pairs.pair(number).transmitter.push(packet, &self.platform) {
            Ok(copied) => {
                self.refusals = 0;
                self.statistics.copied += copied;
                self.statistics.sent += 1;
                self.statistics.sent_bytes += packet.len() as u64;
            }
            Err(Refusal::Full) => {
                self.refusals = self.refusals.wrapping_add(1);
                if self.refusals.is_multiple_of(REFUSALS) {
                    self.look_at_status();
                }
                return Err(Full);
            }
            Err(Refusal::Unreachable) => self.statistics.count(Fault::Unsendable),
            Err(Refusal::Broken(fault)) => self.on_lie(number, Side::Transmit.lied(fault)),
        }
        Ok(())
    }

    /// [`Nic::receive`] from the one pair that is used.
    #[inline(always)]
    fn receive_from<const PACKED: bool>(&mut self) -> Option<RxPacket> {
        match self.pairs.first().receiver.pop_plain::<PACKED>() {
            Plainly::Nothing => None,
            Plainly::Done(packet) => Some(self.received(packet)),
            Plainly::Otherwise => self.receive_in_turn(),
        }
    }

    #[inline(never)]
    fn receive_packed(&mut self) -> Option<RxPacket> {
        self.receive_from::<true>()
    }

    /// [`Nic::receive`] from several pairs, or past what is no frame.
    #[inline(never)]
    fn receive_in_turn(&mut self) -> Option<RxPacket> {
        // Bad frames are dropped on the way, as many as a ring has at most; empty pairs are passed once.
        let mut empty = 0;
        for _ in 0..RING_SIZE {
            if !self.is_running() || empty == self.pairs.used() {
                return None;
            }
            let number = self.pairs.turn();
            let receiver = &mut self.pairs.pair(number).receiver;
            match receiver.pop() {
                Ok(Some(packet)) => {
                    self.statistics.copied += receiver.copied(&packet);
                    self.pairs.took();
                    return Some(self.received(packet));
                }
                Ok(None) => {
                    self.pairs.pass();
                    empty += 1;
                }
                Err(trouble) => self.on_trouble(number, trouble),
            }
        }
        None
    }

    /// Counts `packet`.
    #[inline(always)]
    fn received(&mut self, packet: RxPacket) -> RxPacket {
        self.setbacks = 0;
        self.statistics.received += 1;
        self.statistics.received_bytes += packet.len() as u64;
        packet
    }

    fn on_trouble(&mut self, number: u16, trouble: Trouble) {
        match trouble {
            Trouble::Dropped(fault) => self.statistics.count(fault),
            Trouble::Broken(fault) => self.on_lie(number, Side::Receive.lied(fault)),
        }
    }

    /// Arms every pair.
    fn arm(&mut self) -> Pending {
        let mut pending = Pending::Nothing;
        for number in 0..self.pairs.used() {
            if !self.is_running() {
                return Pending::Nothing;
            }
            match self.pairs.pair(number).arm() {
                Ok(true) => pending = Pending::Work,
                Ok(false) => {}
                Err(lie) => {
                    // What was started anew is masked.
                    self.on_lie(number, lie);
                    pending = Pending::Work;
                }
            }
        }
        if self.is_running() { pending } else { Pending::Nothing }
    }

    /// Whether the device is listened to.
    pub(super) fn is_running(&self) -> bool {
        self.health == Health::Running
    }
}

impl<P: Platform, R: Registers> Nic for VirtioNet<P, R> {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if self.is_running() && self.pairs.used() == 1 {
            let len = packet.len();
            let transmitter = &mut self.pairs.first().transmitter;
            if len <= longest_frame(&self.info) && transmitter.push_plain(packet, &self.platform).is_some() {
                self.refusals = 0;
                self.statistics.sent += 1;
                self.statistics.sent_bytes += len as u64;
                return Ok(());
            }
        }
        self.transmit_any(packet)
    }

    fn transmit_train(&mut self, train: &mut Train<'_>) -> Result<(), Full> {
        while let Some(packet) = train.packet() {
            let len = packet.len();
            if self.is_running() && self.pairs.used() == 1 && len <= longest_frame(&self.info) {
                let before = train.sent();
                self.pairs.first().transmitter.push_train(train, &self.platform);
                let sent = (train.sent() - before) as u64;
                self.statistics.sent += sent;
                self.statistics.sent_bytes += sent * len as u64;
            }
            let Some(packet) = train.packet() else { break };
            self.transmit_any(packet)?;
            train.advance();
        }
        self.refusals = 0;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        if self.pairs.used() > 1 || !self.is_running() {
            return self.receive_in_turn();
        }
        if self.pairs.first().receiver.ring.is_packed() { self.receive_packed() } else { self.receive_from::<false>() }
    }

    fn flush(&mut self) {
        if self.pairs.count() == 1 && self.is_running() && self.pairs.first().is_quiet() {
            return;
        }
        self.flush_all();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        if !self.is_running() {
            return Pending::Nothing;
        }
        match interrupts {
            Interrupts::Masked => {
                self.pairs.all().for_each(Pair::mask);
                Pending::Nothing
            }
            Interrupts::Armed => {
                // Nothing wakes a processor for frames that the device has no buffer for.
                self.refill();
                self.kick();
                self.arm()
            }
        }
    }

    fn set_multicast(&mut self, filter: MulticastFilter<'_>) {
        self.orders.filter.set_groups(filter);
        self.tell_groups();
    }

    fn set_vlans(&mut self, filter: VlanFilter<'_>) {
        let before = self.orders.filter.vlans();
        self.orders.filter.set_vlans(filter);
        self.tell_vlans(&before);
    }

    fn link(&self) -> Link {
        if self.is_running() { self.link } else { Link::Down }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

impl<P: Platform, R: Registers> Driver for VirtioNet<P, R> {
    fn on_interrupts(&mut self, count: u64) {
        self.statistics.interrupts += count;
    }

    fn acknowledge(&mut self) -> Causes {
        self.transport.acknowledge()
    }

    fn on_configuration_change(&mut self) -> Events {
        let link_before = self.link();
        self.look_at_status();
        self.read_link();
        let mut events = core::mem::take(&mut self.events);
        events.set(Events::LINK, self.link() != link_before || events.contains(Events::BROKEN));
        events
    }

    fn quiesce(&mut self) -> Result<(), Unstoppable> {
        self.stop()
    }
}

impl<P: Platform, R: Registers> Drop for VirtioNet<P, R> {
    fn drop(&mut self) {
        // A device that does not stop keeps its memory; there is nothing else left to do about it here.
        let _ = self.stop();
    }
}
