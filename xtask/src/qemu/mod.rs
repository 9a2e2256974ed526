//! The guest under QEMU: what to boot, where its services are reached, and the process that is never left behind.

mod command;
mod guest;
mod ports;
mod process;

use std::path::PathBuf;

pub use guest::{Guest, Waker};
pub use ports::{Forward, HttpPort, Service, Transport};

use crate::accel::Accel;

/// What to boot and how. Start from [`Options::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The unikernel's ELF image.
    pub image: PathBuf,
    /// The emulator; `None` finds it on PATH and installs it where that is possible.
    pub qemu: Option<PathBuf>,
    /// The network that the guest's card is on.
    pub net: Net,
    /// The card: a device of QEMU with its properties, without `netdev=`.
    pub card: String,
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
            net: Net::User,
            card: "virtio-net-pci,disable-legacy=on".into(),
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
}

/// The network behind the guest's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// QEMU's own NAT with forwarded ports; needs no rights.
    User,
    /// A TAP device of the host, by name.
    Tap(String),
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

    #[test]
    fn a_network_is_read_or_refused() {
        assert_eq!(Net::parse("user"), Ok(Net::User));
        assert_eq!(Net::parse("tap:lend0"), Ok(Net::Tap("lend0".into())));
        for text in ["", "tap", "tap:", "bridge:br0", "tap:a,script=evil", "user:1"] {
            assert!(Net::parse(text).is_err(), "{text}");
        }
    }
}
