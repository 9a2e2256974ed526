//! Links lwIP where `cargo xtask bench --peers` has built it.

fn main() {
    println!("cargo::rerun-if-env-changed=LENDWIRE_LWIP");
    println!("cargo::rustc-check-cfg=cfg(lwip)");
    let Ok(folder) = std::env::var("LENDWIRE_LWIP") else { return };
    println!("cargo::rerun-if-changed={folder}/stamp");
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=static=lwip_peer");
    println!("cargo::rustc-cfg=lwip");
}
