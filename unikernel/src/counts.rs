//! The image with the feature `counts`: `main.rs`, by another name, so that neither is built over the other.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod image;
#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program runs on bare metal: `cargo xtask icount` builds it");
}
