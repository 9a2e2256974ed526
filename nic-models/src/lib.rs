//! Network drivers behind `lendwire-nic`'s `Nic` trait, the links a host has, and software models of the devices.
//!
//! | module | what it is |
//! |---|---|
//! | [`platform`] | what a driver asks of its kernel |
//! | [`driver`] | what a kernel asks of its driver |
//! | [`loopback`] | two ends joined in memory: nothing is copied |
//! | [`e1000`] | Intel's e1000 family on PCI and PCI Express |
//! | [`virtio`] | virtio-net over modern PCI and MMIO |
//! | [`pci`], [`registers`], [`dma`], [`sendable`] | what drivers share |
//! | `impaired` (`host`) | a wire that loses, repeats, reorders, delays and damages, by a seed, in virtual time |
//! | `tap` (`host`, Linux) | a TAP interface |
//! | `model` (`model`) | devices in software, honest and hostile |
//!
//! No driver here trusts a device, and none copies payload that its device can reach.
#![cfg_attr(not(feature = "host"), no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod dma;
pub mod driver;
pub mod e1000;
#[cfg(feature = "host")]
pub mod impaired;
mod long_packet;
pub mod loopback;
#[cfg(feature = "model")]
pub mod model;
pub mod pci;
pub mod platform;
mod private;
pub mod registers;
pub mod sendable;
#[cfg(all(feature = "host", target_os = "linux"))]
pub mod tap;
pub mod virtio;
