//! virtio-net over modern PCI and MMIO with split and packed rings (virtio 1.2 §2.7, §2.8, §4.1, §4.2, §5.1).
//!
//! | file | what it is |
//! |---|---|
//! | `net` | [`VirtioNet`]: start, poll, quiesce |
//! | `probe` | what is looked at, agreed on and set aside before |
//! | `pair` | one receive and one transmit queue, and their memory |
//! | `receive`, `transmit` | the two queues: frames in merged buffers, packets as chains of borrowed parts |
//! | `ring` | the virtqueue, the driver's side |
//! | `header` | `virtio_net_hdr` |
//! | `transport` | where the registers are, and the device's life |
//! | `features` | what is negotiated |
//!
//! Invariant: the device may say anything at any time. What it completed is looked up in private memory, each shared
//! field is read once, and nonsense is counted or marks the device broken; nothing here panics over it.

mod features;
mod header;
mod net;
mod pair;
mod probe;
mod receive;
mod ring;
mod transmit;
mod transport;

#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use features::Features;
#[cfg(all(feature = "host", target_os = "linux"))]
pub(crate) use header::{HEADER_LEN, Header, Senseless};
pub use net::VirtioNet;
pub use probe::{ProbeError, VIRTIO_NET_IDS};
