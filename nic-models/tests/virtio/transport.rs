//! How the driver reaches its device: over PCI or a window of memory, by messages or a line.
use lendwire_drivers::driver::{Causes, Driver as _, Events};
use lendwire_drivers::model::{ConfigModel, MMIO, Memory, ModelRegisters, Offer, VirtioNetModel, feature};
use lendwire_drivers::pci::Region;
use lendwire_drivers::platform::{ConfigSpace as _, Wiring};
use lendwire_drivers::registers::Registers;
use lendwire_drivers::virtio::{ProbeError, VirtioNet};
use lendwire_nic::{Interrupts, Link, Nic, Pending, Pool};

use crate::{Driver, MESSAGES, bytes, packet, rings, small};

/// A machine without PCI: the device behind a window of memory.
fn window(offer: Offer, wiring: Wiring<'_>) -> (VirtioNetModel, Result<Driver, ProbeError>, Memory, &'static Pool) {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, offer);
    let registers = device.registers(MMIO).unwrap();
    let driver = VirtioNet::probe_mmio_with(registers, MMIO.len, memory.clone(), pool, wiring);
    (device, driver, memory, pool)
}

#[test]
fn a_device_behind_a_window_of_memory_works() {
    for offer in rings() {
        let (device, driver, memory, pool) = window(offer, Wiring::Polled);
        let mut driver = driver.unwrap();
        assert_eq!(driver.info().address.0, [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        for _ in 0..20 {
            driver.transmit(&packet(&[])).unwrap();
            driver.flush();
            let sent = device.send_all();
            assert_eq!(sent.len(), 1);
            assert!(device.deliver(&sent[0].frame));
            assert_eq!(bytes(&driver.receive().unwrap()), sent[0].frame);
        }
        driver.quiesce().unwrap();
        assert_eq!((device.status(), pool.available(), memory.taken()), (0, 16, 0));
    }
}

#[test]
fn a_line_is_let_go_of_when_it_is_acknowledged() {
    let pci = || {
        let memory = Memory::new();
        let pool = Pool::leaked(16, 2048).unwrap();
        memory.share_pool(pool);
        let device = VirtioNetModel::new(&memory, small());
        let (windows, config) = (device.clone(), device.config_space());
        let map = move |region| windows.registers(region);
        let driver: Driver = VirtioNet::probe_with(&config, memory, map, pool, Wiring::Line).unwrap();
        // The line is on, MSI-X is not.
        assert_eq!((config.read(4) & 0x400, config.read(0x40) >> 31), (0, 0));
        (device, driver)
    };
    let mmio = || {
        let (device, driver, ..) = window(small(), Wiring::Line);
        (device, driver.unwrap())
    };
    for (device, mut driver) in [pci(), mmio()] {
        assert_eq!(driver.set_interrupts(Interrupts::Armed), Pending::Nothing);
        assert_eq!(driver.acknowledge(), Causes::empty(), "it was another device on the same line");
        device.deliver(&[1; 60]);
        assert_eq!(device.line(), 1);
        assert_eq!(driver.acknowledge(), Causes::FRAMES);
        assert_eq!((device.line(), driver.acknowledge()), (0, Causes::empty()));
        device.set_link(false);
        assert_eq!(driver.acknowledge(), Causes::CONFIGURATION);
        assert_eq!((driver.on_configuration_change(), driver.link()), (Events::LINK, Link::Down));
        assert_eq!(device.line(), 0);
        assert!(driver.receive().is_some());
    }
}

#[test]
fn a_line_that_cannot_be_asked_is_refused() {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, small());
    let config = device.config_space();
    // The list ends before the interrupt status.
    let last = ConfigModel::CAPABILITIES[3];
    config.poke(last, config.read(last) & !0xff00);
    let windows = device.clone();
    let map = move |region| windows.registers(region);
    let probed: Result<Driver, _> = VirtioNet::probe_with(&config, memory, map, pool, Wiring::Line);
    assert_eq!(probed.err(), Some(ProbeError::NoLine));
}

#[test]
fn a_window_has_no_messages() {
    let (.., driver, _, _) = window(small(), Wiring::Messages(&MESSAGES));
    assert_eq!(driver.err(), Some(ProbeError::NoVector));
}

#[test]
fn a_window_that_lies_or_is_too_short_is_refused() {
    assert_eq!(refused(|_| {}, 0xff), ProbeError::ShortRegisters);
    assert_eq!(refused(|_| {}, 0x105), ProbeError::ShortRegisters, "the address ends at 0x106");
    assert_eq!(refused(|window| window.change = Some((0x000, 0)), 0x200), ProbeError::NotMine);
    assert_eq!(refused(|window| window.change = Some((0x004, 1)), 0x200), ProbeError::Legacy);
    assert_eq!(refused(|window| window.change = Some((0x004, 3)), 0x200), ProbeError::NotMine);
    // A place without a device, and one with a disk.
    assert_eq!(refused(|window| window.change = Some((0x008, 0)), 0x200), ProbeError::NotMine);
    assert_eq!(refused(|window| window.change = Some((0x008, 2)), 0x200), ProbeError::NotMine);
    assert_eq!(refused(|window| window.change = Some((0x034, 0)), 0x200), ProbeError::BadQueue);
    assert_eq!(refused(|window| window.change = Some((0x034, 0x1_0000)), 0x200), ProbeError::BadQueue);
    assert_eq!(refused(|window| window.change = Some((0x070, u32::MAX)), 0x200), ProbeError::NoReset);
}

/// Registers of which one reads as something else.
struct Lying {
    inner: ModelRegisters,
    change: Option<(usize, u32)>,
}

#[track_caller]
fn refused(lie: impl FnOnce(&mut Lying), len: usize) -> ProbeError {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, Offer { features: Offer::default().features & !feature::MTU, ..small() });
    let region = Region { len, ..MMIO };
    let mut registers = Lying { inner: device.registers(region).unwrap(), change: None };
    lie(&mut registers);
    let probed = VirtioNet::probe_mmio_with(registers, len, memory.clone(), pool, Wiring::Polled);
    let error = probed.err().expect("the driver does not start this device");
    assert_eq!((memory.taken(), pool.available()), (0, 16));
    error
}

impl Registers for Lying {
    fn read8(&self, offset: usize) -> u8 {
        self.inner.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.inner.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        match self.change {
            Some((at, lie)) if at == offset => lie,
            Some(_) | None => self.inner.read32(offset),
        }
    }

    fn write8(&self, offset: usize, value: u8) {
        self.inner.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.inner.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.inner.write32(offset, value);
    }
}
