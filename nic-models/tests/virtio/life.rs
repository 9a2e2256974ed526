//! A device's life: what it takes to start, and that stopping gives everything back.
use lendwire_drivers::driver::{Driver as _, Events, Unstoppable};
use lendwire_drivers::model::{ConfigModel, Memory, Offer, RECEIVE, VirtioNetModel, feature};
use lendwire_drivers::pci::PciError;
use lendwire_drivers::platform::{ConfigSpace, Wiring};
use lendwire_drivers::virtio::{ProbeError, VirtioNet};
use lendwire_nic::{Link, MacAddress, Nic, Pool};

use crate::{Bench, Driver, MESSAGES, kinds, packet, probe, rounds, small, with, without};

#[track_caller]
fn refused(offer: Offer) -> ProbeError {
    refused_at(offer, |_| {})
}

/// Why the driver does not start a device that is changed before it looks. Nothing may be left taken.
#[track_caller]
fn refused_at(offer: Offer, change: impl FnOnce(&ConfigModel)) -> ProbeError {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, offer);
    let config = device.config_space();
    change(&config);
    let windows = device.clone();
    let probed: Result<Driver, ProbeError> = VirtioNet::probe_with(
        &config,
        memory.clone(),
        move |region| windows.registers(region),
        pool,
        Wiring::Messages(&MESSAGES),
    );
    let error = probed.err().expect("the driver does not start this device");
    assert_eq!((memory.taken(), pool.available()), (0, 16));
    error
}

#[test]
fn a_device_is_started_with_what_both_know() {
    let bench = Bench::new(small());
    assert_eq!(bench.device.status(), 1 | 2 | 4 | 8);
    assert_eq!(bench.device.accepted_features(), Offer::default().features);
    let info = bench.driver.info();
    assert_eq!((info.address, info.mtu), (MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]), 1500));
    assert_eq!(bench.driver.link(), Link::Up);
}

#[test]
fn features_that_the_driver_does_not_know_are_not_accepted() {
    let everything = Offer { features: !feature::MTU, ..small() };
    let bench = Bench::new(everything);
    let queues =
        1 << 36 | feature::INDIRECT_DESC | feature::ACCESS_PLATFORM | feature::RING_PACKED | feature::RING_RESET;
    let control = feature::CTRL_VQ | feature::CTRL_RX | feature::CTRL_VLAN | feature::CTRL_MAC_ADDR;
    let more = feature::CTRL_GUEST_OFFLOADS | feature::GUEST_ANNOUNCE | 0b111 << 11;
    let known = Offer::default().features | queues | control | more;
    assert_eq!(bench.device.accepted_features(), known);
}

#[test]
fn the_device_says_its_mtu() {
    let jumbo = Offer { features: Offer::default().features | feature::MTU, mtu: 9000, ..small() };
    assert_eq!(Bench::new(jumbo.clone()).driver.info().mtu, 9000);
    assert_eq!(refused(Offer { mtu: 67, ..jumbo.clone() }), ProbeError::BadMtu);
    assert_eq!(refused(Offer { mtu: 16_384, ..jumbo.clone() }), ProbeError::BadMtu);
    let features = jumbo.features & !feature::MRG_RXBUF;
    assert_eq!(refused(Offer { features, ..jumbo }), ProbeError::SmallSlots);
}

#[test]
fn quiesce_returns_every_slot_a_thousand_times() {
    let control = feature::CTRL_VQ | feature::CTRL_RX | feature::RING_RESET;
    for kind in kinds() {
        let memory = Memory::new();
        let (pool, transmit_pool) = (Pool::leaked(16, 2048).unwrap(), Pool::leaked(16, 2048).unwrap());
        memory.share_pool(pool);
        memory.share_pool(transmit_pool);
        let device = VirtioNetModel::new(&memory, kind.clone().with(control).offer);
        for round in 0..rounds(1000, 3) {
            let mut driver = kind.reached.probe(&device, &memory, pool).unwrap();
            let payload = [transmit_pool.take().unwrap().freeze(100)];
            driver.transmit(&packet(&payload)).unwrap();
            driver.flush();
            assert!(device.deliver(&[1; 60]));
            // Every second time the frame is received, every third the packet sent, every fifth the device starts anew,
            // every seventh it lies.
            if round % 2 == 0 {
                driver.receive().unwrap();
            }
            if round % 3 == 0 {
                device.send_all();
            }
            if round % 5 == 0 {
                device.need_reset();
                assert_eq!(driver.on_configuration_change(), Events::RESTARTED);
            }
            if round % 7 == 0 {
                device.complete(RECEIVE, 0xffff, 0);
                device.publish(RECEIVE);
                while driver.receive().is_some() {}
            }
            drop(payload);
            driver.quiesce().unwrap();
            assert_eq!((pool.available(), transmit_pool.available(), memory.taken()), (16, 16, 0), "round {round}");
            assert_eq!(device.status(), 0);
        }
    }
}

#[test]
fn dropping_a_driver_stops_its_device() {
    let Bench { device, driver, pool, memory, .. } = Bench::new(small());
    drop(driver);
    assert_eq!((device.status(), pool.available(), memory.taken()), (0, 16, 0));
}

#[test]
fn a_device_that_does_not_stop_keeps_its_memory() {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, small());
    let mut driver = probe(&device, &memory, pool).unwrap();
    device.unplug();
    assert_eq!(driver.quiesce(), Err(Unstoppable));
    assert_eq!((pool.available(), memory.taken()), (8, 1));
}

#[test]
fn a_kernel_short_of_memory_is_told_so_or_does_with_less() {
    // Rings and headers, the notes of each ring, those of the tables; the control queue's ring, and its notes.
    const REQUESTS: usize = 6;
    for granted in 0..=REQUESTS {
        let memory = Memory::new();
        let pool = Pool::leaked(16, 2048).unwrap();
        memory.share_pool(pool);
        let device = VirtioNetModel::new(&memory, with(small(), feature::INDIRECT_DESC | feature::CTRL_VQ));
        memory.grant(granted);
        match probe(&device, &memory, pool) {
            Err(error) => {
                assert!(granted < 3 && error == ProbeError::NoMemory, "{granted} requests granted: {error:?}");
                assert_eq!((memory.taken(), pool.available()), (0, 16), "{granted} requests granted");
            }
            Ok(driver) => {
                // A control queue without notes is none, and its ring goes back.
                let taken = if granted == REQUESTS - 1 { granted - 1 } else { granted };
                assert_eq!(memory.taken(), taken, "{granted} requests granted");
                let mut bench = Bench { device, driver, pool, transmit_pool: pool, memory };
                bench.assert_passes();
                bench.assert_returns_everything();
            }
        }
    }
}

#[test]
fn the_link_follows_the_cable() {
    let mut bench = Bench::new(small());
    bench.device.set_link(false);
    assert_eq!(bench.device.interrupts(), [MESSAGES[2]]);
    assert_eq!((bench.driver.on_configuration_change(), bench.driver.link()), (Events::LINK, Link::Down));
    bench.device.set_link(true);
    assert_eq!((bench.driver.on_configuration_change(), bench.driver.link()), (Events::LINK, Link::Up));
    assert_eq!(bench.driver.on_configuration_change(), Events::empty());
}

#[test]
fn one_message_serves_both_queues_and_none_means_polling() {
    for messages in [&MESSAGES[..1], &[]] {
        let memory = Memory::new();
        let pool = Pool::leaked(16, 2048).unwrap();
        memory.share_pool(pool);
        let device = VirtioNetModel::new(&memory, small());
        let windows = device.clone();
        let map = move |region| windows.registers(region);
        let mut driver =
            VirtioNet::probe_with(&device.config_space(), memory.clone(), map, pool, Wiring::Messages(messages))
                .unwrap();
        let _ = driver.set_interrupts(lendwire_nic::Interrupts::Armed);
        device.deliver(&[1; 60]);
        assert_eq!(device.interrupts(), messages);
        assert!(driver.receive().is_some());
    }
}

#[test]
fn other_functions_are_left_alone() {
    assert_eq!(refused_at(small(), |config| config.poke(0, 0x100e_8086)), ProbeError::NotMine);
    assert_eq!(refused_at(small(), |config| config.poke(0, 0xffff_ffff)), ProbeError::NotMine);
}

#[test]
fn a_legacy_device_is_refused() {
    assert_eq!(refused(without(feature::VERSION_1)), ProbeError::Legacy);
    // A transitional device without the modern structures.
    let error = refused_at(small(), |config| {
        config.poke(0, 0x1000_1af4);
        config.poke(0x34, 0);
    });
    assert_eq!(error, ProbeError::Legacy);
}

#[test]
fn a_device_that_cannot_be_agreed_with_is_refused() {
    assert_eq!(refused(Offer { refuses_features: true, ..small() }), ProbeError::FeaturesRefused);
    assert_eq!(refused(without(feature::MAC)), ProbeError::NoAddress);
    assert_eq!(refused(Offer { never_settles: true, ..small() }), ProbeError::Unsettled);
    assert_eq!(refused(Offer { queue_size: 0, ..small() }), ProbeError::BadQueue);
    assert_eq!(refused(Offer { queue_size: 3, ..small() }), ProbeError::BadQueue);
    assert_eq!(refused(Offer { notify_offset: Some(0x400), ..small() }), ProbeError::ShortRegisters);
    assert_eq!(refused(Offer { notify_offset: Some(0xffff), ..small() }), ProbeError::ShortRegisters);
}

#[test]
fn a_device_that_is_gone_is_refused_at_once() {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    let device = VirtioNetModel::new(&memory, small());
    device.unplug();
    assert_eq!(probe(&device, &memory, pool).err(), Some(ProbeError::NoReset));
    assert!(device.accesses() < 50, "all ones are not waited for");
}

#[test]
fn a_device_that_never_stops_is_given_up() {
    assert_eq!(refused(Offer { ignores_reset: true, ..small() }), ProbeError::NoReset);
}

#[test]
fn structures_outside_their_memory_are_refused() {
    let [msix, common, notify, device, _] = ConfigModel::CAPABILITIES;
    let pci = |offset: u16, word: u32| refused_at(small(), |config| config.poke(offset, word));
    for at in [common, notify, device] {
        assert_eq!(pci(at + 4, 6), ProbeError::Pci(PciError::NoSuchBar));
        assert_eq!(pci(at + 4, 0), ProbeError::Pci(PciError::NoSuchBar), "there is nothing behind BAR 0");
        assert_eq!(pci(at + 8, 0x4000), ProbeError::Pci(PciError::OutOfBar));
        assert_eq!(pci(at + 8, 0xffff_fffc), ProbeError::Pci(PciError::OutOfBar));
        assert_eq!(pci(at + 8, 2), ProbeError::Pci(PciError::Misaligned));
        assert_eq!(pci(at + 12, 0xffff_ffff), ProbeError::Pci(PciError::OutOfBar));
        assert_eq!(pci(at + 12, 0), ProbeError::ShortRegisters);
    }
    assert_eq!(pci(msix + 4, 0x1000 | 1), ProbeError::Pci(PciError::OutOfBar));
    assert_eq!(pci(0x20, 0xc001), ProbeError::Pci(PciError::IoSpace));
    let unassigned = refused_at(small(), |config| {
        config.poke(0x20, 0b1100);
        config.poke(0x24, 0);
    });
    assert_eq!(unassigned, ProbeError::Pci(PciError::Unassigned));
    // A device without MSI-X has no vector for the messages.
    assert_eq!(pci(msix, 0x5001), ProbeError::NoVector);
}

#[test]
fn a_capability_list_that_loops_or_strays_ends() {
    let [_, common, notify, ..] = ConfigModel::CAPABILITIES;
    // Notify leads back to common: device and interrupt status are never reached.
    let looped = refused_at(small(), |config| config.poke(notify, 0x0214_0009 | u32::from(common) << 8));
    assert_eq!(looped, ProbeError::Legacy);
    assert_eq!(refused_at(small(), |config| config.poke(0x34, 0x3c)), ProbeError::Legacy);
    // A capability in the last word has no room for its fields.
    let strayed = refused_at(small(), |config| {
        config.poke(0x34, 0xfc);
        config.poke(0xfc, 0x0110_0009);
    });
    assert_eq!(strayed, ProbeError::Pci(PciError::OutOfConfigSpace));
}

#[test]
fn finding_the_registers_leaves_them_where_they_were() {
    let memory = Memory::new();
    let pool = Pool::leaked(16, 2048).unwrap();
    memory.share_pool(pool);
    let device = VirtioNetModel::new(&memory, small());
    let config = device.config_space();
    let windows = device.clone();
    let map = move |region| windows.registers(region);
    let _driver: Driver = VirtioNet::probe_with(&config, memory, map, pool, Wiring::Messages(&MESSAGES)).unwrap();
    assert_eq!(config.read(0x14), ConfigModel::MSIX_TABLE as u32);
    assert_eq!(u64::from(config.read(0x24)) << 32 | u64::from(config.read(0x20) & !0xf), ConfigModel::REGISTERS);
    // Memory, bus master, no interrupt line; MSI-X on and not masked.
    assert_eq!(config.read(4) & 0xffff, 0x406);
    assert_eq!(config.read(0x40) >> 30, 0b10);
}
