//! QEMU's command line.

use std::ffi::OsString;
use std::path::Path;

use super::{Forward, KernelLine, Net, Options, Transport};

/// The status with which QEMU ends when the guest writes 1 to the debug-exit port: 2v + 1 (QEMU `hw/misc/debugexit.c`).
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
    add(&["-M", "q35", "-accel", options.accel.name(), "-cpu", "max"]);
    add(&["-smp", &options.processors.to_string(), "-m", &options.memory.to_string()]);
    add(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
    if let Some(firmware) = firmware {
        add(&["-bios", firmware]);
    }
    add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
    add(&["-netdev", &netdev(&options.net, forwards)]);
    add(&["-device", &format!("{},netdev=n0,romfile=", options.card)]);
    let line = kernel_line(&options.kernel);
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

fn netdev(net: &Net, forwards: &[Forward]) -> String {
    match net {
        Net::Tap(name) => format!("tap,id=n0,ifname={name},script=no,downscript=no"),
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
            "user,id=n0".chars().chain(rules.collect::<String>().chars()).collect()
        }
    }
}

fn kernel_line(kernel: &KernelLine) -> String {
    let KernelLine { ip, gw, ip6, poll } = kernel;
    let parts = [("ip", ip), ("gw", gw), ("ip6", ip6), ("poll", poll)];
    let given = parts.iter().filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}={value}")));
    given.collect::<Vec<_>>().join(" ")
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
        assert!(line.contains("-device virtio-net-pci,disable-legacy=on,netdev=n0,romfile= "), "{line}");
        assert!(line.ends_with("-kernel image.elf") && !line.contains("-append"), "{line}");
    }

    #[test]
    fn a_tap_device_runs_no_scripts() {
        let options = Options { net: Net::Tap("lend0".into()), ..Options::new("i") };
        let line = joined(&options, &[], None);
        assert!(line.contains("-netdev tap,id=n0,ifname=lend0,script=no,downscript=no "), "{line}");
    }

    #[test]
    fn the_guest_is_told_only_what_was_given() {
        let kernel = KernelLine { ip: Some("10.0.0.2/24".into()), poll: Some("never".into()), ..KernelLine::default() };
        let words = arguments(&Options { kernel, ..Options::new("i") }, &[], None, None);
        let append = words.iter().position(|word| word == "-append").expect("a command line is given");
        assert_eq!(words[append + 1], "ip=10.0.0.2/24 poll=never");
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
