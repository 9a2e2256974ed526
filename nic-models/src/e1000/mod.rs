//! Intel's e1000 family: 82540EM, 82545EM, 82544GC on PCI, 82574L on PCI Express (QEMU's `e1000` and `e1000e`).
//!
//! Sections are of Intel's "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (8254x) and of
//! the 82574 datasheet.
//!
//! | file | what it is |
//! |---|---|
//! | `net` | [`E1000`]: start, poll, quiesce |
//! | `probe` | what is looked at and set aside before; [`Settings`] |
//! | `family` | what the members differ in |
//! | `register` | where registers are, and their bits |
//! | `hardware` | the device's life: reset, address, start |
//! | `filter` | which addresses and VLANs come in |
//! | `interrupt` | causes, and how they reach the kernel |
//! | `receive`, `receive_descriptor` | the receive ring: frames over one buffer or several |
//! | `frame_check` | the frame check sequence, where the device leaves it on |
//! | `transmit`, `transmit_descriptor` | the transmit ring: headers copied, payload lent |
//! | `segmentation` | what the device wants to find in the headers of a packet that it cuts |
//! | `counters` | the device's statistics registers |
//!
//! Invariant: the device may say anything at any time. Which descriptor is next, and what it holds, is kept in private
//! memory; the head registers are never read; each word of a descriptor is read once; nonsense is counted or marks the
//! device broken, and nothing here panics over it.
//!
//! QEMU before 8.1 cuts what its 82574L is to segment into IP fragments where the network behind it has no segmentation,
//! as user networking: that works for IPv4, and not for IPv6. Nothing tells a driver; [`Settings::offloads`] can.
//!
//! Left out: MSI (MSI-X or the line), the second pair of queues of the 82574, packet split, flow control, wake-up, the
//! PHY (its defaults negotiate), and the workarounds of the chips' errata.

mod counters;
mod family;
mod filter;
mod frame_check;
mod hardware;
mod interrupt;
mod net;
mod probe;
mod receive;
mod receive_descriptor;
mod register;
mod segmentation;
mod transmit;
mod transmit_descriptor;

pub use counters::HardwareStatistics;
pub use family::E1000_IDS;
pub use net::E1000;
pub use probe::{FrameCheck, ProbeError, Settings};
