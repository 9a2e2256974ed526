//! QEMU's command line.

use std::ffi::OsString;
use std::path::Path;

use super::{Arch, Forward, KernelLine, Net, Nic, Offloads, Options, Transport};

/// The status with which QEMU ends when the guest panics. On x86_64 that is 2v + 1, for the 1 that is written to the
/// debug-exit port (QEMU `hw/misc/debugexit.c`); the other machines' exits take the status itself.
pub(super) const PANIC_STATUS: i32 = 3;

/// Firmware that does no more than a kernel needs: it saves half of the boot.
const QUICK_FIRMWARE: &str = "qboot.rom";

/// The quick firmware, where it lies beside `qemu`.
pub(super) fn quick_firmware(qemu: &Path) -> Option<&'static str> {
    let prefix = qemu.parent()?.parent()?;
    prefix.join("share/qemu").join(QUICK_FIRMWARE).is_file().then_some(QUICK_FIRMWARE)
}

/// The arguments that boot the guest. `dump` is where QEMU writes a pcap; without `firmware` it takes its own.
pub(super) fn arguments(
    options: &Options,
    forwards: &[Forward],
    dump: Option<&Path>,
    firmware: Option<&str>,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
    add(machine(options));
    add(&["-accel", options.accel.name(), "-cpu", options.arch.processor()]);
    add(&["-smp", &options.processors.to_string(), "-m", &options.memory.to_string()]);
    add(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
    if let Some(firmware) = firmware.filter(|_| options.arch == Arch::X86_64) {
        add(&["-bios", firmware]);
    }
    add(options.arch.exit());
    if let Some(netdev) = netdev(options, forwards) {
        add(&["-netdev", &netdev, "-device", &card(options)]);
    }
    let line = kernel_line(options);
    if !line.is_empty() {
        add(&["-append", &line]);
    }
    add(&options.extra.iter().map(String::as_str).collect::<Vec<_>>());
    if let Some(dump) = dump {
        let mut object = OsString::from("filter-dump,id=f0,netdev=n0,maxlen=65550,file=");
        object.push(doubled_commas(dump));
        arguments.extend(["-object".into(), object]);
    }
    arguments.extend(["-kernel".into(), options.image.clone().into_os_string()]);
    arguments
}

/// The machine: with virtio as memory-mapped registers, one that has them, and with virtio 1 behind them.
fn machine(options: &Options) -> &'static [&'static str] {
    match (options.arch, options.nic) {
        (Arch::X86_64, Nic::VirtioMmio) => &["-M", "microvm,acpi=off", "-global", "virtio-mmio.force-legacy=false"],
        (Arch::X86_64, Nic::Virtio | Nic::VirtioPacked | Nic::VirtioMq | Nic::E1000 | Nic::E1000e) => &["-M", "q35"],
        (Arch::Aarch64, _) => &["-M", "virt,gic-version=2", "-global", "virtio-mmio.force-legacy=false"],
        (Arch::Riscv64, _) => &["-M", "virt,aia=none", "-global", "virtio-mmio.force-legacy=false"],
    }
}

fn card(options: &Options) -> String {
    let mut card = format!("{},netdev=n0", options.nic.device(options.offloads));
    for property in &options.properties {
        card.push(',');
        card.push_str(property);
    }
    card
}

fn netdev(options: &Options, forwards: &[Forward]) -> Option<String> {
    match &options.net {
        Net::None => None,
        Net::Tap(name) => {
            let queues = match options.nic.queue_pairs() {
                1 => String::new(),
                pairs => format!(",queues={pairs}"),
            };
            Some(format!("tap,id=n0,ifname={name},script=no,downscript=no{queues}"))
        }
        Net::User => {
            let rules = forwards.iter().flat_map(|forward| {
                forward.service.transports().iter().map(|transport| {
                    let transport = match transport {
                        Transport::Tcp => "tcp",
                        Transport::Udp => "udp",
                    };
                    let guest_port = forward.service.guest_port();
                    format!(",hostfwd={transport}:127.0.0.1:{}-:{guest_port}", forward.host_port)
                })
            });
            Some("user,id=n0".chars().chain(rules.collect::<String>().chars()).collect())
        }
    }
}

fn kernel_line(options: &Options) -> String {
    let KernelLine { ip, gw, ip6, poll, restart, words } = &options.kernel;
    let restart = &restart.map(|times| times.to_string());
    // virtio-net offers nothing when it is told so; the others have no such property, so the guest is told.
    let is_told = options.offloads == Offloads::Off && !options.nic.is_virtio();
    let offloads = &is_told.then(|| "off".to_owned());
    let parts = [("ip", ip), ("gw", gw), ("ip6", ip6), ("poll", poll), ("offloads", offloads), ("restart", restart)];
    let given = parts.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
    given.chain((!words.is_empty()).then(|| words.clone())).collect::<Vec<_>>().join(" ")
}

/// QEMU ends an option's value at a comma unless it is doubled.
fn doubled_commas(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Service;
    use super::*;

    fn joined(options: &Options, forwards: &[Forward], dump: Option<&Path>) -> String {
        let words = arguments(options, forwards, dump, None);
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn user_networking_forwards_each_transport_of_a_service() {
        let forwards = [
            Forward { service: Service::Http, host_port: 8080 },
            Forward { service: Service::EchoWellKnown, host_port: 5007 },
        ];
        let line = joined(&Options::new("image.elf"), &forwards, None);
        let netdev = "-netdev user,id=n0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:5007-:7,hostfwd=udp:127.0.0.1:5007-:7 ";
        assert!(line.contains(netdev), "{line}");
        assert!(line.contains("-device virtio-net-pci,disable-legacy=on,romfile=,netdev=n0 "), "{line}");
        assert!(line.ends_with("-kernel image.elf") && !line.contains("-append"), "{line}");
    }

    #[test]
    fn a_tap_device_runs_no_scripts() {
        let options = Options { net: Net::Tap("lend0".into()), ..Options::new("i") };
        let line = joined(&options, &[], None);
        assert!(line.contains("-netdev tap,id=n0,ifname=lend0,script=no,downscript=no "), "{line}");
    }

    fn with(nic: Nic, offloads: Offloads) -> String {
        let net = Net::Tap("lend0".into());
        joined(&Options { net, nic, offloads, ..Options::new("i") }, &[], None)
    }

    #[test]
    fn each_card_is_on_a_machine_that_has_its_bus() {
        for (nic, machine, device) in [
            (Nic::Virtio, "-M q35 ", "virtio-net-pci,disable-legacy=on,romfile=,netdev=n0 "),
            (Nic::VirtioPacked, "-M q35 ", "virtio-net-pci,disable-legacy=on,romfile=,packed=on,netdev=n0 "),
            (
                Nic::VirtioMmio,
                "-M microvm,acpi=off -global virtio-mmio.force-legacy=false ",
                "virtio-net-device,netdev=n0 ",
            ),
            (Nic::VirtioMq, "-M q35 ", "mq=on,rss=on,hash=on,vectors=10,netdev=n0 "),
            (Nic::E1000, "-M q35 ", "-device e1000,romfile=,netdev=n0 "),
            (Nic::E1000e, "-M q35 ", "-device e1000e,romfile=,netdev=n0 "),
        ] {
            let line = with(nic, Offloads::On);
            assert!(line.starts_with(machine) && line.contains(device), "{nic:?}: {line}");
            assert_eq!(line.contains("downscript=no,queues=4 "), nic == Nic::VirtioMq, "{line}");
            assert!(!line.contains("=off,guest") && !line.contains("-append"), "{line}");
        }
    }

    #[test]
    fn offloads_are_taken_from_virtio_and_kept_from_the_guest_elsewhere() {
        for nic in [Nic::Virtio, Nic::VirtioPacked, Nic::VirtioMmio, Nic::VirtioMq] {
            let line = with(nic, Offloads::Off);
            assert!(line.contains(",csum=off,gso=off,guest_csum=off,") && !line.contains("-append"), "{line}");
        }
        for nic in [Nic::E1000, Nic::E1000e] {
            let line = with(nic, Offloads::Off);
            assert!(line.contains("-append offloads=off ") && !line.contains("csum=off"), "{line}");
        }
    }

    #[test]
    fn further_properties_come_behind_the_cards_own() {
        let properties = vec!["vectors=0".into(), "mac=52:54:00:00:00:09".into()];
        let line = joined(&Options { properties, ..Options::new("i") }, &[], None);
        assert!(line.contains("netdev=n0,vectors=0,mac=52:54:00:00:00:09 "), "{line}");
    }

    #[test]
    fn firmware_and_exit_port_are_a_pcs() {
        let options = Options { arch: Arch::Riscv64, ..Options::new("i") };
        let words = arguments(&options, &[], None, Some(QUICK_FIRMWARE));
        assert!(!words.iter().any(|word| word == "-bios" || word.to_string_lossy().contains("isa-")), "{words:?}");
    }

    #[test]
    fn each_architecture_has_a_machine_and_a_way_out() {
        for (arch, expected) in [
            (Arch::X86_64, ["-M q35 ", "-cpu max ", "-device isa-debug-exit,iobase=0xf4,iosize=1 "]),
            (Arch::Aarch64, ["-M virt,gic-version=2 ", "-cpu max ", "-semihosting-config enable=on,target=native "]),
            // Its test device is always there.
            (Arch::Riscv64, ["-M virt,aia=none ", "-cpu rv64 ", "-serial stdio -netdev "]),
        ] {
            let line = joined(&Options { arch, ..Options::new("i") }, &[], None);
            assert!(expected.iter().all(|words| line.contains(words)), "{line}");
        }
    }

    #[test]
    fn the_guest_is_told_only_what_was_given() {
        let kernel = KernelLine { ip: Some("10.0.0.2/24".into()), poll: Some("never".into()), ..KernelLine::default() };
        let words = arguments(&Options { kernel, ..Options::new("i") }, &[], None, None);
        let append = words.iter().position(|word| word == "-append").expect("a command line is given");
        assert_eq!(words[append + 1], "ip=10.0.0.2/24 poll=never");
    }

    #[test]
    fn a_guest_may_be_alone() {
        let kernel = KernelLine { words: "counts=all a".into(), ..KernelLine::default() };
        let line = joined(&Options { net: Net::None, kernel, ..Options::new("i") }, &[], None);
        assert!(line.contains(" -append counts=all a -kernel i") && !line.contains("netdev"), "{line}");
    }

    #[test]
    fn quick_firmware_is_used_where_qemu_brings_it() {
        assert_eq!(quick_firmware(Path::new("/nowhere/bin/qemu-system-x86_64")), None);
        let words = arguments(&Options::new("i"), &[], None, Some(QUICK_FIRMWARE));
        assert!(words.windows(2).any(|pair| pair[0] == "-bios" && pair[1] == QUICK_FIRMWARE));
        assert!(!joined(&Options::new("i"), &[], None).contains("-bios"));
    }

    #[test]
    fn a_comma_in_the_capture_path_stays_in_the_path() {
        let line = joined(&Options::new("i"), &[], Some(Path::new("a,b.pcap")));
        assert!(line.contains("-object filter-dump,id=f0,netdev=n0,maxlen=65550,file=a,,b.pcap "), "{line}");
    }
}
