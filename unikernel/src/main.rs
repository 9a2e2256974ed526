//! The image: on bare metal a kernel of one program, on the host a pointer to how it is built.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod image;
#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program runs on bare metal: build it with `cargo xtask run`");
}
