//! The guest under QEMU: what to boot, where its services are reached, and the process that is never left behind.

mod arch;
mod command;
mod guest;
mod nic;
mod ports;
mod process;

use std::path::PathBuf;

pub use arch::Arch;
pub use guest::{Guest, Waker};
pub use nic::{Nic, Offloads};
pub use ports::{Forward, HttpPort, Service, Transport};

use crate::accel::Accel;
use crate::failure::Failure;

/// What to boot and how. Start from [`Options::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The unikernel's ELF image.
    pub image: PathBuf,
    /// The emulator; `None` finds it on PATH and installs it where that is possible.
    pub qemu: Option<PathBuf>,
    /// The processor and its machine.
    pub arch: Arch,
    /// The network that the guest's card is on.
    pub net: Net,
    /// The card.
    pub nic: Nic,
    /// What the card may do for the guest.
    pub offloads: Offloads,
    /// Further properties of the card, such as `vectors=0`.
    pub properties: Vec<String>,
    /// The host port for HTTP; user networking only.
    pub http_port: HttpPort,
    /// TCG or KVM.
    pub accel: Accel,
    /// Processors of the guest.
    pub processors: u8,
    /// Memory of the guest in MiB.
    pub memory: u32,
    /// The guest's command line.
    pub kernel: KernelLine,
    /// Where to write the frames of the whole run as pcapng once QEMU has ended.
    pub capture: Option<PathBuf>,
    /// Whether serial lines are printed as they come.
    pub serial: Serial,
    /// Further arguments for QEMU, as they are.
    pub extra: Vec<String>,
}

impl Options {
    /// User networking, free host ports, TCG, one processor, 64 MiB, a silent serial port.
    pub fn new(image: impl Into<PathBuf>) -> Options {
        Options {
            image: image.into(),
            qemu: None,
            arch: Arch::X86_64,
            net: Net::User,
            nic: Nic::Virtio,
            offloads: Offloads::On,
            properties: Vec::new(),
            http_port: HttpPort::Free,
            accel: Accel::Tcg,
            processors: 1,
            memory: 64,
            kernel: KernelLine::default(),
            capture: None,
            serial: Serial::Keep,
            extra: Vec::new(),
        }
    }

    /// Whether such a guest can be, before anything is built for it.
    ///
    /// # Errors
    /// [`Failure::Usage`] with what to ask for instead.
    pub fn check(&self) -> Result<(), Failure> {
        let refused = |reason: &str| Err(Failure::Usage(reason.into()));
        if self.nic == Nic::VirtioMq && self.net == Net::User {
            return refused(
                "--nic virtio-mq needs --net tap:NAME: QEMU's user networking has one pair of queues. \
                 Use --nic virtio to stay with --net user",
            );
        }
        if self.nic == Nic::VirtioMq && self.capture.is_some() {
            return refused(
                "--capture cannot be used with --nic virtio-mq: QEMU records networks with one pair of queues only. \
                 Run `tcpdump -i NAME -w FILE` on the TAP device instead",
            );
        }
        if self.accel == Accel::Kvm && !self.arch.is_the_hosts() {
            return refused("KVM runs guests of this host's own architecture only: use --accel tcg with this --arch");
        }
        Ok(())
    }
}

/// The network behind the guest's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// QEMU's own NAT with forwarded ports; needs no rights.
    User,
    /// A TAP device of the host, by name.
    Tap(String),
    /// None, and no card.
    None,
}

impl Net {
    /// Reads `user` or `tap:NAME`.
    ///
    /// # Errors
    /// What is wrong, for a command line's user.
    pub fn parse(text: &str) -> Result<Net, String> {
        match text.split_once(':') {
            None if text == "user" => Ok(Net::User),
            Some(("tap", name)) if !name.is_empty() && !name.contains([',', '/']) => Ok(Net::Tap(name.into())),
            _ => Err("expected `user` or `tap:NAME`".into()),
        }
    }
}

/// What the guest is told about itself; a part that is `None` is left to the guest's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelLine {
    /// `dhcp` or `A.B.C.D/N`.
    pub ip: Option<String>,
    /// The IPv4 gateway.
    pub gw: Option<String>,
    /// `auto` or `X/N`.
    pub ip6: Option<String>,
    /// `adaptive`, `always` or `never`.
    pub poll: Option<String>,
    /// How often the guest stops its card at the start and probes it again.
    pub restart: Option<u32>,
    /// What else stands there, as it is.
    pub words: String,
}

/// What becomes of serial lines besides being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// Each is printed to standard output.
    Print,
    /// They are only kept.
    Keep,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refusal(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options::new("i");
        change(&mut options);
        match options.check() {
            Err(Failure::Usage(message)) => message,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_guest_that_cannot_be_is_refused_with_what_to_ask_for() {
        assert_eq!(Options::new("i").check(), Ok(()));
        let one_queue = refusal(|options| options.nic = Nic::VirtioMq);
        assert!(one_queue.contains("--net tap:NAME") && one_queue.contains("--nic virtio "), "{one_queue}");
        let no_dump = refusal(|options| {
            options.nic = Nic::VirtioMq;
            options.net = Net::Tap("lend0".into());
            options.capture = Some("frames.pcapng".into());
        });
        assert!(no_dump.contains("tcpdump"), "{no_dump}");
        let foreign = refusal(|options| {
            options.arch = if Arch::X86_64.is_the_hosts() { Arch::Riscv64 } else { Arch::X86_64 };
            options.accel = Accel::Kvm;
        });
        assert!(foreign.contains("--accel tcg"), "{foreign}");
    }

    #[test]
    fn a_network_is_read_or_refused() {
        assert_eq!(Net::parse("user"), Ok(Net::User));
        assert_eq!(Net::parse("tap:lend0"), Ok(Net::Tap("lend0".into())));
        for text in ["", "tap", "tap:", "bridge:br0", "tap:a,script=evil", "user:1"] {
            assert!(Net::parse(text).is_err(), "{text}");
        }
    }
}
