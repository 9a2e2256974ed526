//! The project's own commands, and the running of QEMU that they share with the tests.
//!
//! A test boots the guest with [`qemu::Guest`]:
//!
//! ```no_run
//! use std::time::Duration;
//! use xtask::qemu::{Guest, Options, Service};
//!
//! let mut guest = Guest::boot(Options::new(xtask::image::path()?))?;
//! let ready = guest.wait_ready(Duration::from_secs(20))?;
//! let http = guest.address(Service::Http).expect("a guest that is ready has an address");
//! println!("{} answers on {http}", ready.mac);
//! # Ok::<(), xtask::failure::Failure>(())
//! ```

pub mod accel;
pub mod bench;
pub mod bulk;
mod callgrind;
pub mod capture;
pub mod counts;
pub mod failure;
pub mod fuzz;
pub mod icount;
pub mod image;
pub mod install;
pub mod namespace;
pub mod probe;
pub mod progress;
pub mod qemu;
pub mod requirements;
pub mod run;
pub mod script;
pub mod serial;
pub mod simulate;
pub mod stats;
pub mod tap;
pub mod test;
pub mod transfer;
pub mod versus_linux;
