//! What the unikernel's applications do that needs no machine: reading the kernel command line, and HTTP from bytes to
//! bytes. The image (`main.rs`) puts it on the stack; here it is tested on the host.
//!
//! Nothing here allocates, blocks, reads a clock or knows of sockets.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod apps;
pub mod command_line;
pub mod counters;
mod fixed_text;
pub mod http;
