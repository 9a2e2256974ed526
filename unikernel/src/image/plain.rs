//! A card that is kept from helping (`offloads=off`): the stack sums and cuts by itself, and checks what arrives.
//!
//! Invariant: the stack never hears what it was not to use, so it never asks for it.

use alloc::boxed::Box;

use lendwire_drivers::driver::{Causes, Driver, Events, Unstoppable};
use lendwire_nic::{
    Full, Interrupts, Link, MulticastFilter, Nic, NicInfo, NicStatistics, Offloads, Pending, Received, RxPacket, Train,
    TxPacket, VlanFilter,
};

/// A driver whose device does checksums and segmentation for nobody.
pub(super) struct Plain {
    driver: Box<dyn Driver>,
    info: NicInfo,
}

impl Plain {
    pub(super) fn new(driver: Box<dyn Driver>) -> Self {
        let vlans = Offloads::VLAN_INSERT | Offloads::VLAN_STRIP;
        let info = NicInfo { offloads: driver.info().offloads & vlans, ..*driver.info() };
        Self { driver, info }
    }
}

impl Nic for Plain {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        self.driver.transmit(packet)
    }

    fn transmit_train(&mut self, train: &mut Train<'_>) -> Result<(), Full> {
        self.driver.transmit_train(train)
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let mut packet = self.driver.receive()?;
        // A checksum that was never completed cannot be checked.
        if packet.checksum == Received::Checked {
            packet.checksum = Received::Unchecked;
        }
        Some(packet)
    }

    fn flush(&mut self) {
        self.driver.flush();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        self.driver.set_interrupts(interrupts)
    }

    fn set_multicast(&mut self, filter: MulticastFilter<'_>) {
        self.driver.set_multicast(filter);
    }

    fn set_vlans(&mut self, filter: VlanFilter<'_>) {
        self.driver.set_vlans(filter);
    }

    fn link(&self) -> Link {
        self.driver.link()
    }

    fn statistics(&self) -> NicStatistics {
        self.driver.statistics()
    }
}

impl Driver for Plain {
    fn on_interrupts(&mut self, count: u64) {
        self.driver.on_interrupts(count);
    }

    fn acknowledge(&mut self) -> Causes {
        self.driver.acknowledge()
    }

    fn on_configuration_change(&mut self) -> Events {
        self.driver.on_configuration_change()
    }

    fn quiesce(&mut self) -> Result<(), Unstoppable> {
        self.driver.quiesce()
    }
}
