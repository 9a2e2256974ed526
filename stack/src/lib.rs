//! A `no_std` TCP/IP stack that lends buffers to the wire instead of copying them.
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "alloc")]
extern crate alloc;

mod chain;
pub mod dhcp;
mod drops;
mod icmp;
mod ip;
mod link;
mod list;
mod slab;
mod stack;
mod storage;
pub mod tcp;
pub mod time;
pub mod udp;
mod wheel;
pub mod wire;

pub use drops::{Drops, Reason};
pub use ip::{
    AddAddressError, AddInterfaceError, AddRouteError, AddressState, Dscp, ErrorKind, InterfaceConfig, InterfaceId,
    InterfaceSlot, NeighbourSlot, PathMtuSlot, ReplySlot, RouteSlot, Storage as IpStorage, Unreachable,
};
pub use slab::Slot;
pub use stack::{Config, DhcpError, Polled, Stack};
pub use storage::Storage;
#[cfg(feature = "alloc")]
pub use storage::{Capacities, Tables};
pub use wheel::Timer;
