//! Makes the static content, and lays the image out as the machine's loader wants it.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    write_content();
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        lay_out_image();
    }
}

/// Files rather than constants: evaluating a megabyte in a constant takes the compiler 18 seconds.
fn write_content() {
    let out = env::var_os("OUT_DIR").expect("cargo sets it for every build script");
    for (name, len, seed) in [("1k", 1 << 10, 0x4c65_6e64_7769_7265), ("1m", 1 << 20, 0x4275_6666_6572_7321)] {
        fs::write(Path::new(&out).join(name), noise(len, seed)).expect("the build directory is writable");
    }
}

/// Bytes without a pattern that a fault could keep (xorshift64, Marsaglia 2003), so that any byte lost, repeated or
/// moved changes their CRC-32.
fn noise(len: usize, mut state: u64) -> Vec<u8> {
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(word).flatten().take(len).collect()
}

/// Static, at fixed addresses, by the `image.ld` of the architecture.
fn lay_out_image() {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it for every build script");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for every build script");
    let script = format!("{here}/src/arch/{arch}/image.ld");
    println!("cargo:rerun-if-changed={script}");
    // The default of some targets is a position-independent executable, which would need somebody to relocate it.
    for argument in ["--no-pie", "-znorelro", "--build-id=none", "--gc-sections"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
