//! A device's life: what it takes to start, and that stopping gives everything back.
use lendwire_drivers::driver::{Driver as _, Unstoppable};
use lendwire_drivers::e1000::{ProbeError, Settings};
use lendwire_drivers::model::e1000::{E1000Model, Eeprom, Kind, Offer, Reset, register};
use lendwire_drivers::model::{ConfigModel, Memory};
use lendwire_drivers::pci::PciError;
use lendwire_drivers::platform::{ConfigSpace, Wiring};
use lendwire_nic::{Link, MacAddress, MulticastFilter, Nic, Offloads, Pool, VlanFilter};

use crate::frames::{OWN, plain};
use crate::{Bench, MESSAGES, Setup, both, every_kind, packet, probe, rounds};

/// Why the driver does not start a device that is changed before it looks. Nothing may be left taken, and nothing on.
#[track_caller]
fn refused_at(setup: Setup, change: impl FnOnce(&E1000Model, &ConfigModel)) -> ProbeError {
    refused_with(setup, |_| {}, change)
}

#[track_caller]
fn refused_with(
    setup: Setup,
    ration: impl FnOnce(&Memory),
    change: impl FnOnce(&E1000Model, &ConfigModel),
) -> ProbeError {
    let memory = Memory::new();
    ration(&memory);
    let pool = Pool::leaked(setup.slots, setup.slot_size).unwrap();
    memory.share_pool(pool);
    let device = E1000Model::new(&memory, setup.offer);
    change(&device, &device.config_space());
    let before = device.counts().accesses;
    let error = probe(&device, &memory, pool, setup.wiring, setup.settings).err().expect("this is not started");
    assert_eq!((memory.taken(), pool.available()), (0, setup.slots));
    assert!(device.counts().accesses - before < 100_000, "nothing is waited for without end");
    error
}

#[track_caller]
fn refused(setup: Setup) -> ProbeError {
    refused_at(setup, |_, _| {})
}

#[test]
fn every_member_of_the_family_starts() {
    for &kind in every_kind() {
        let bench = Bench::new(kind);
        let info = bench.driver.info();
        assert_eq!((info.address, info.mtu, info.queues), (MacAddress(OWN), 1500, 1));
        assert!(info.offloads.contains(Offloads::TX_CHECKSUM | Offloads::TX_SEGMENT_V4));
        assert_eq!(info.offloads.contains(Offloads::TX_SEGMENT_V6), kind.is_express());
        assert_eq!(bench.driver.link(), Link::Up);
        assert!(bench.pool.available() < bench.pool.slots(), "the device has buffers");
        bench.assert_nothing_leaks();
    }
}

#[test]
fn the_device_is_found_by_its_number() {
    // 82544GC is 100c (QEMU's e1000-82544gc); 1008 is the 82544EI.
    for (kind, device) in Kind::ALL.into_iter().zip([0x100e, 0x100c, 0x100f, 0x10d3]) {
        let config = ConfigModel::e1000(kind);
        assert_eq!(config.read(0), device << 16 | 0x8086);
        assert!(lendwire_drivers::pci::PciId::of(&config).unwrap().is_in(lendwire_drivers::e1000::E1000_IDS));
    }
}

#[test]
fn reception_starts_once_and_last() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        let counts = bench.device.counts();
        assert_eq!((counts.receive_controls, counts.receive_starts), (1, 1));
        for index in 0..10 {
            bench.received(&plain(OWN, 60 + index));
            bench.sent(&packet(&[]));
        }
        bench.driver.set_multicast(MulticastFilter::Only(&[]));
        bench.driver.set_vlans(VlanFilter::Only(&[]));
        bench.device.set_cable(false);
        bench.driver.on_configuration_change();
        let _ = bench.driver.hardware_statistics();
        assert_eq!(bench.device.counts().receive_controls, 1, "in QEMU each write holds reception for a second");
        bench.driver.quiesce().unwrap();
        assert_eq!(bench.device.counts().receive_starts, 1);
    }
}

#[test]
fn quiesce_returns_every_slot_a_thousand_times() {
    for (kind, reset) in [(Kind::E82540Em, Reset::AddressOnly), (Kind::E82574L, Reset::AddressOnly)]
        .into_iter()
        .chain([(Kind::E82540Em, Reset::Whole), (Kind::E82574L, Reset::Whole)])
    {
        let memory = Memory::new();
        let (pool, transmit_pool) = (Pool::leaked(64, 2048).unwrap(), Pool::leaked(16, 2048).unwrap());
        memory.share_pool(pool);
        memory.share_pool(transmit_pool);
        let setup = Setup::slow(kind);
        let device = E1000Model::new(&memory, Offer { reset, ..setup.offer });
        for round in 0..rounds(1000, 3) {
            let mut driver = probe(&device, &memory, pool, setup.wiring, Settings::default()).unwrap();
            let payload = [transmit_pool.take().unwrap().freeze(100)];
            driver.transmit(&packet(&payload)).unwrap();
            driver.flush();
            assert!(device.deliver(&plain(OWN, 60)), "round {round}");
            // Every second time the frame is received, every third the packet sent.
            if round % 2 == 0 {
                driver.receive().unwrap();
            }
            if round % 3 == 0 {
                device.transmit(u32::MAX);
            }
            drop(payload);
            if round % 5 == 0 {
                drop(driver);
            } else {
                driver.quiesce().unwrap();
            }
            assert_eq!((pool.available(), transmit_pool.available(), memory.taken()), (64, 16, 0), "round {round}");
            // What the device would do now, it would do to memory that is not its own: the model would panic.
            assert!(!device.deliver(&plain(OWN, 60)));
            device.transmit(u32::MAX);
            device.sent();
        }
    }
}

#[test]
fn a_device_that_somebody_left_running_is_stopped_first() {
    for &kind in both() {
        let memory = Memory::new();
        let pool = Pool::leaked(64, 2048).unwrap();
        memory.share_pool(pool);
        let setup = Setup::of(kind);
        let device = E1000Model::new(&memory, setup.offer);
        device.poke(register::RCTL, 2);
        device.poke(register::TCTL, 2);
        device.poke(register::IMS, u32::MAX);
        let mut driver = probe(&device, &memory, pool, setup.wiring, Settings::default()).unwrap();
        assert!(device.deliver(&plain(OWN, 60)));
        assert!(driver.receive().is_some());
        driver.quiesce().unwrap();
        assert_eq!((pool.available(), memory.taken()), (64, 0));
    }
}

#[test]
fn what_is_called_after_quiesce_does_nothing() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.driver.quiesce().unwrap();
        let accesses = bench.device.counts().accesses;
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert!(bench.driver.receive().is_none());
        let _ = bench.driver.set_interrupts(lendwire_nic::Interrupts::Armed);
        bench.driver.set_multicast(MulticastFilter::All);
        bench.driver.set_vlans(VlanFilter::All);
        bench.driver.acknowledge();
        bench.driver.on_configuration_change();
        let _ = bench.driver.hardware_statistics();
        assert_eq!(bench.driver.link(), Link::Down);
        assert_eq!(bench.driver.quiesce(), Ok(()));
        assert_eq!(bench.device.counts().accesses, accesses);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_device_that_does_not_stop_keeps_its_memory() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let given = bench.pool.slots() - bench.pool.available();
        bench.device.unplug();
        assert_eq!(bench.driver.quiesce(), Err(Unstoppable));
        drop(bench.driver);
        assert_eq!((bench.pool.slots() - bench.pool.available(), bench.memory.taken()), (given, 1));
    }
}

#[test]
fn a_kernel_short_of_memory_is_told_so() {
    // The notes of both rings, then the rings.
    for granted in 0..3 {
        let error = refused_with(Setup::of(Kind::BOTH[0]), |memory| memory.grant(granted), |_, _| {});
        assert_eq!(error, ProbeError::NoMemory, "{granted} requests granted");
    }
}

#[test]
fn a_reset_that_never_completes_is_given_up() {
    for &kind in both() {
        let setup = Setup::of(kind);
        assert_eq!(
            refused(Setup { offer: Offer { reset: Reset::Never, ..setup.offer }, ..setup }),
            ProbeError::NoReset
        );
    }
}

#[test]
fn an_address_that_is_not_valid_comes_from_the_eeprom() {
    for &kind in both() {
        let mut setup = Setup::of(kind);
        setup.offer.has_valid_address = false;
        let mut bench = setup.start();
        assert_eq!(bench.driver.info().address, MacAddress(OWN));
        bench.driver.set_multicast(MulticastFilter::Only(&[]));
        bench.assert_alive();
    }
}

#[test]
fn a_device_without_any_address_is_refused() {
    for &kind in both() {
        let without = |eeprom, address| {
            let setup = Setup::of(kind);
            Setup { offer: Offer { has_valid_address: false, eeprom, address, ..setup.offer }, ..setup }
        };
        assert_eq!(refused(without(Eeprom::Silent, OWN)), ProbeError::NoAddress);
        assert_eq!(refused(without(Eeprom::Answers, [0; 6])), ProbeError::NoAddress);
        assert_eq!(refused(without(Eeprom::Answers, [0xff; 6])), ProbeError::NoAddress);
    }
}

#[test]
fn other_functions_are_left_alone() {
    for word in [0x1041_1af4, 0xffff_ffff, 0x1533_8086] {
        let error = refused_at(Setup::of(Kind::E82540Em), |_, config| config.poke(0, word));
        assert_eq!(error, ProbeError::NotMine);
    }
}

#[test]
fn registers_that_are_not_there_are_refused() {
    for &kind in both() {
        let with_bar = |word| refused_at(Setup::of(kind), |_, config| config.poke(0x10, word));
        assert_eq!(with_bar(0xc001), ProbeError::Pci(PciError::IoSpace));
        assert_eq!(with_bar(0), ProbeError::Pci(PciError::Unassigned));
        for register_bytes in [16, 0x1000, 0x4000] {
            let setup = Setup::of(kind);
            let setup = Setup { offer: Offer { register_bytes, ..setup.offer }, ..setup };
            assert_eq!(refused(setup), ProbeError::Pci(PciError::OutOfBar));
        }
    }
}

#[test]
fn messages_need_a_device_that_sends_them() {
    let setup = Setup { wiring: Wiring::Messages(&MESSAGES), ..Setup::of(Kind::E82540Em) };
    assert_eq!(refused(setup), ProbeError::NoVector);
    // A table outside its memory.
    let error = refused_at(Setup::of(Kind::E82574L), |_, config| config.poke(0xa4, 0x4000 | 3));
    assert_eq!(error, ProbeError::Pci(PciError::OutOfBar));
    let error = refused_at(Setup::of(Kind::E82574L), |_, config| config.poke(0xa4, 5));
    assert_eq!(error, ProbeError::Pci(PciError::NoSuchBar));
}

#[test]
fn frames_that_cannot_be_are_refused() {
    for &kind in both() {
        for mtu in [0, 67, 16_384, u16::MAX] {
            let settings = Settings { mtu, ..Settings::default() };
            assert_eq!(refused(Setup { settings, ..Setup::of(kind) }), ProbeError::BadMtu);
        }
        assert_eq!(refused(Setup { slot_size: 128, ..Setup::of(kind) }), ProbeError::SmallSlots);
        // More chunks than lie inline, or in a list that is as long as a slot.
        for slot_size in [256, 512] {
            assert_eq!(refused(Setup::jumbo(kind, slot_size)), ProbeError::SmallSlots);
        }
    }
}

#[test]
fn a_pool_out_of_the_devices_reach_is_refused() {
    for &kind in both() {
        let memory = Memory::new();
        let pool = Pool::leaked(16, 2048).unwrap();
        let setup = Setup::of(kind);
        let device = E1000Model::new(&memory, setup.offer);
        let error = probe(&device, &memory, pool, setup.wiring, setup.settings).err();
        assert_eq!(error, Some(ProbeError::PoolUnreachable));
        assert_eq!((memory.taken(), pool.available()), (0, 16));
        assert_eq!(device.register(register::RCTL) & 2, 0, "the device is left stopped");
    }
}

#[test]
fn configuration_space_is_left_in_order() {
    for &kind in both() {
        let bench = Bench::new(kind);
        let config = bench.device.config_space();
        assert_eq!(u64::from(config.read(0x10)), ConfigModel::E1000_REGISTERS);
        // Memory and bus master; the line as the wiring asks.
        let line = if kind.is_express() { 0x400 } else { 0 };
        assert_eq!(config.read(4) & 0x407, 0x6 | line);
        if kind.is_express() {
            assert_eq!(config.read(0xa0) >> 30, 0b10, "MSI-X is on and not masked");
        }
    }
}

#[test]
fn the_device_counts_what_passed() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        for _ in 0..3 {
            bench.received(&plain(OWN, 100));
        }
        bench.received(&plain(crate::frames::BROADCAST, 60));
        bench.received(&plain([1, 0, 0x5e, 0, 0, 1], 60));
        bench.sent(&packet(&[]));
        bench.device.deliver(&plain(OWN, 2000));
        let counted = bench.driver.hardware_statistics();
        assert_eq!((counted.received, counted.received_bytes), (5, 3 * 104 + 2 * 64));
        assert_eq!((counted.broadcasts, counted.multicasts), (1, 1));
        assert_eq!((counted.sent, counted.sent_bytes), (1, 68));
        assert_eq!(counted.oversized, 1);
        // The registers start again when they are read; the counts do not.
        bench.received(&plain(OWN, 100));
        let again = bench.driver.hardware_statistics();
        assert_eq!((again.received, again.received_bytes, again.sent), (6, 4 * 104 + 2 * 64, 1));
    }
}

#[test]
fn byte_counts_may_outgrow_32_bits() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.device.poke(register::GORCL, 0xffff_fff0);
        bench.device.poke(register::GORCL + 4, 2);
        bench.received(&plain(OWN, 60));
        assert_eq!(bench.driver.hardware_statistics().received_bytes, 0x3_0000_0030);
    }
}
