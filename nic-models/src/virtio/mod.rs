//! virtio-net over modern PCI and MMIO with split and packed rings (virtio 1.2 §2.7, §2.8, §4.1, §4.2, §5.1).
//!
//! | file | what it is |
//! |---|---|
//! | `net` | [`VirtioNet`] as the stack and the kernel see it |
//! | `start` | how it is started and stopped |
//! | `probe` | what is looked at, agreed on and set aside before |
//! | `recovery` | what becomes of a device that lied, gave up, or is gone |
//! | `pair`, `pairs` | one receive and one transmit queue, and all of them |
//! | `control`, `orders` | the control queue, and what the device is told through it |
//! | `filter`, `spread` | what is to be received, and by which pair |
//! | `receive`, `transmit` | the two queues: frames in merged buffers, packets as chains of borrowed parts |
//! | `ring` | the virtqueue, the driver's side |
//! | `header` | `virtio_net_hdr` |
//! | `bounce` | copies for a device that may not see the guest's memory |
//! | `transport` | where the registers are, and the device's life |
//! | `features` | what is negotiated |
//!
//! Invariant: the device may say anything at any time. What it completed is looked up in private memory, each shared
//! field is read once, and nonsense is counted, or a reason to start the device anew; nothing here panics over it.
//!
//! Left out: pairs of queues on other cores. A pair shares nothing with the others but the device, and that is the
//! trouble: a device that has to be reset takes the queues from under all of them, so each core would have to be asked
//! first.

mod bounce;
mod control;
mod features;
mod filter;
mod header;
mod net;
mod orders;
mod pair;
mod pairs;
mod probe;
mod receive;
mod recovery;
mod ring;
mod spread;
mod start;
mod transmit;
mod transport;

#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use features::Features;
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use header::{HEADER_LEN, Header, Senseless};
pub use net::VirtioNet;
pub use orders::{Disobeyed, Reception};
pub use pairs::{PairSlot, PairStorage};
pub use probe::{ProbeError, VIRTIO_NET_IDS};
