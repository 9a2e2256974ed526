//! A device that is pulled out: every register reads as ones from then on. It is reported, and not spun on.
use lendwire_drivers::driver::{Causes, Driver as _, Events};
use lendwire_drivers::e1000::ProbeError;
use lendwire_drivers::model::Memory;
use lendwire_drivers::model::e1000::E1000Model;
use lendwire_nic::{Fault, Interrupts, Link, MulticastFilter, Nic, Pool, VlanFilter};

use crate::frames::{OWN, plain};
use crate::{Bench, Setup, both, packet, probe, rounds};

/// Everything that a kernel's loop does, once.
fn turn(bench: &mut Bench) {
    let payload = [bench.chunk(&[1; 100])];
    let _ = bench.driver.transmit(&packet(&payload));
    while bench.driver.receive().is_some() {}
    bench.driver.flush();
    let _ = bench.driver.set_interrupts(Interrupts::Masked);
    let _ = bench.driver.set_interrupts(Interrupts::Armed);
}

#[test]
fn a_device_that_is_gone_is_refused_at_once() {
    for &kind in both() {
        let memory = Memory::new();
        let pool = Pool::leaked(16, 2048).unwrap();
        memory.share_pool(pool);
        let setup = Setup::of(kind);
        let device = E1000Model::new(&memory, setup.offer);
        device.unplug();
        assert_eq!(probe(&device, &memory, pool, setup.wiring, setup.settings).err(), Some(ProbeError::NoReset));
        // 20 accesses write the table of messages.
        assert!(device.counts().accesses < 50, "all ones are not waited for");
    }
}

#[test]
fn a_device_may_go_at_any_access_of_its_start() {
    for &kind in both() {
        let whole = Bench::new(kind).device.counts().accesses;
        let steps = rounds(whole as usize, 6) as u64;
        for step in 0..steps {
            let accesses = step * whole / steps;
            let memory = Memory::new();
            let pool = Pool::leaked(16, 2048).unwrap();
            memory.share_pool(pool);
            let setup = Setup::of(kind);
            let device = E1000Model::new(&memory, setup.offer);
            device.unplug_after(accesses);
            let probed = probe(&device, &memory, pool, setup.wiring, setup.settings);
            assert!(device.counts().accesses < whole + 100, "gone after {accesses}: it is not waited for");
            // Whether it notices now or at the next look, it ends there, and keeps what the device might use.
            if let Ok(mut driver) = probed {
                driver.on_configuration_change();
                assert_eq!(driver.link(), Link::Down, "gone after {accesses}");
                assert!(driver.quiesce().is_err());
            }
        }
    }
}

#[test]
fn a_device_that_goes_while_it_works_is_reported_once() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.received(&plain(OWN, 60));
        bench.device.unplug();
        let events = bench.driver.on_configuration_change();
        assert_eq!(events, Events::LINK | Events::BROKEN);
        assert_eq!(bench.driver.on_configuration_change(), Events::empty());
        assert_eq!((bench.driver.link(), bench.fault(Fault::Broken)), (Link::Down, 1));
        let before = bench.device.counts().accesses;
        for _ in 0..rounds(1000, 5) {
            turn(&mut bench);
            bench.driver.acknowledge();
            bench.driver.set_multicast(MulticastFilter::All);
            bench.driver.set_vlans(VlanFilter::All);
        }
        assert_eq!(bench.device.counts().accesses, before, "what is gone is not asked any more");
    }
}

#[test]
fn a_device_that_goes_is_noticed_by_polling_alone() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        turn(&mut bench);
        bench.device.unplug();
        let before = bench.device.counts().accesses;
        for _ in 0..rounds(1000, 50) {
            turn(&mut bench);
        }
        assert_eq!(bench.driver.link(), Link::Down, "arming asks the device, and ones are no answer");
        let asked = bench.device.counts().accesses - before;
        assert!(asked < 20, "{asked} accesses to what is gone");
        // The kernel hears of it at its next look.
        assert!(bench.driver.on_configuration_change().contains(Events::BROKEN));
    }
}

#[test]
fn a_line_that_reads_as_ones_is_no_storm_of_causes() {
    for &kind in both() {
        let mut bench = Setup { wiring: lendwire_drivers::platform::Wiring::Line, ..Setup::of(kind) }.start();
        let _ = bench.driver.set_interrupts(Interrupts::Armed);
        bench.device.unplug();
        let causes = bench.driver.acknowledge();
        assert!(causes == Causes::empty() || causes == Causes::CONFIGURATION, "{causes:?}");
        assert_eq!(bench.driver.acknowledge(), Causes::empty());
        assert_eq!(bench.driver.link(), Link::Down);
        assert!(bench.driver.on_configuration_change().contains(Events::BROKEN));
    }
}

#[test]
fn statistics_of_what_is_gone_stand_still() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.received(&plain(OWN, 60));
        let before = bench.driver.hardware_statistics();
        bench.device.unplug();
        assert_eq!(bench.driver.hardware_statistics(), before, "ones are not counts");
    }
}

#[test]
fn a_device_may_go_at_any_access_of_its_work() {
    for &kind in both() {
        for accesses in 0..rounds(60, 4) as u64 {
            let mut bench = Bench::new(kind);
            bench.device.unplug_after(accesses);
            for _ in 0..20 {
                turn(&mut bench);
                bench.device.deliver(&plain(OWN, 60));
                let _ = bench.driver.hardware_statistics();
                bench.driver.on_configuration_change();
            }
            assert_eq!(bench.driver.link(), Link::Down);
            assert!(bench.fault(Fault::Broken) > 0);
            assert!(bench.driver.quiesce().is_err());
        }
    }
}

#[test]
fn a_ring_that_stays_full_is_asked_whether_the_device_is_there() {
    for &kind in both() {
        let mut bench = Setup::slow(kind).start();
        while bench.driver.transmit(&packet(&[])).is_ok() {}
        bench.device.unplug();
        assert_eq!(bench.driver.transmit(&packet(&[])), Ok(()));
        assert_eq!((bench.fault(Fault::Broken), bench.driver.link()), (1, Link::Down));
    }
}
