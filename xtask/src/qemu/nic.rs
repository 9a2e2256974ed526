//! The guest's network card: which device of QEMU, on which bus, and what it may take off the guest.

use clap::ValueEnum;

/// A card that the image has a driver for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Nic {
    /// virtio-net on PCI, split rings
    #[default]
    Virtio,
    /// virtio-net on PCI, packed rings
    VirtioPacked,
    /// virtio-net as memory-mapped registers; x86_64 boots the microvm machine for it, which has no PCI
    VirtioMmio,
    /// virtio-net on PCI, 4 pairs of queues with RSS and hash report; needs --net tap:NAME
    VirtioMq,
    /// Intel 82540EM, on an interrupt line
    E1000,
    /// Intel 82574L, with MSI-X
    E1000e,
}

/// Whether the card does checksums and segmentation for the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Offloads {
    /// All that card and network have
    #[default]
    On,
    /// None: the guest sums and cuts by itself
    Off,
}

/// Pairs of queues of [`Nic::VirtioMq`].
pub(super) const QUEUE_PAIRS: u16 = 4;

/// What virtio-net offers by itself where the network behind it can (virtio 1.2 §5.1.3).
const VIRTIO_OFFLOADS: &str = "csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,\
                               host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off";

impl Nic {
    /// QEMU's device with its properties, but for the network that it is on.
    pub(super) fn device(self, offloads: Offloads) -> String {
        let mut device = match self {
            Nic::Virtio => "virtio-net-pci,disable-legacy=on,romfile=".to_owned(),
            Nic::VirtioPacked => "virtio-net-pci,disable-legacy=on,romfile=,packed=on".to_owned(),
            Nic::VirtioMmio => "virtio-net-device".to_owned(),
            Nic::VirtioMq => {
                // One vector for each queue, one for the configuration, one to spare.
                let vectors = 2 * QUEUE_PAIRS + 2;
                format!("virtio-net-pci,disable-legacy=on,romfile=,mq=on,rss=on,hash=on,vectors={vectors}")
            }
            Nic::E1000 => "e1000,romfile=".to_owned(),
            Nic::E1000e => "e1000e,romfile=".to_owned(),
        };
        if self.is_virtio() && offloads == Offloads::Off {
            device = format!("{device},{VIRTIO_OFFLOADS}");
        }
        device
    }

    /// Whether it is virtio-net, on whatever bus.
    pub(super) fn is_virtio(self) -> bool {
        match self {
            Nic::Virtio | Nic::VirtioPacked | Nic::VirtioMmio | Nic::VirtioMq => true,
            Nic::E1000 | Nic::E1000e => false,
        }
    }

    /// Queue pairs that the network behind it has to have.
    pub fn queue_pairs(self) -> u16 {
        match self {
            Nic::VirtioMq => QUEUE_PAIRS,
            Nic::Virtio | Nic::VirtioPacked | Nic::VirtioMmio | Nic::E1000 | Nic::E1000e => 1,
        }
    }
}
