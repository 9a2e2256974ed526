//! The first and only file system of the Linux guest: our init, the card's modules, the pages, and nginx where wanted.

use std::fs;
use std::path::{Path, PathBuf};

use lendwire_unikernel::http::{ONE_KIBIBYTE, ONE_MEBIBYTE};

use super::counter::file_failure;
use super::cpio::Archive;
use crate::failure::Failure;

/// The modules of virtio-net over PCI, by their folders.
const MODULES: [&str; 8] = [
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/net/virtio_net",
];

/// The libraries that nginx asks for, as Debian builds it.
const LIBRARIES: [&str; 6] =
    ["libc.so.6", "libcrypt.so.1", "libpcre2-8.so.0", "libssl.so.3", "libcrypto.so.3", "libz.so.1"];

/// One process, as our image has one processor; files are sent from the page cache and their descriptors kept.
const NGINX_SETTINGS: &str = "\
daemon off;
master_process off;
user root;
error_log /tmp/error.log;
pid /tmp/pid;
events { worker_connections 256; multi_accept on; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    open_file_cache max=16;
    open_file_cache_valid 1h;
    server { listen 8080 backlog=128; root /www; }
}
";

/// What every guest needs: `init`, and modules from the folder `modules` of the kernel's package.
///
/// # Errors
/// [`Failure::File`].
pub(super) fn base(init: &Path, modules: &Path) -> Result<Vec<u8>, Failure> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "tmp", "www", "modules"] {
        archive.folder(folder);
    }
    archive.character_device("dev/console", 5, 1);
    archive.file("init", &read(init)?);
    for module in MODULES {
        let file = modules.join(module).with_extension("ko");
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        archive.file(&format!("modules/{name}"), &read(&file)?);
    }
    archive.file("www/1k", &ONE_KIBIBYTE);
    archive.file("www/1m", &ONE_MEBIBYTE);
    Ok(archive.finish())
}

/// What nginx needs besides, from the folder that its packages were unpacked in. It may follow [`base`].
///
/// # Errors
/// [`Failure::File`].
pub(super) fn nginx(root: &Path) -> Result<Vec<u8>, Failure> {
    const LIBRARY_FOLDER: &str = "lib/x86_64-linux-gnu";
    let mut archive = Archive::default();
    let folders = [
        "etc",
        "lib",
        LIBRARY_FOLDER,
        "lib64",
        "usr",
        "usr/sbin",
        "usr/share",
        "usr/share/nginx",
        "var",
        "var/lib",
        "var/lib/nginx",
        "var/log",
        "var/log/nginx",
    ];
    folders.iter().for_each(|folder| archive.folder(folder));
    archive.file("usr/sbin/nginx", &read(&root.join("usr/sbin/nginx"))?);
    archive.file("lib64/ld-linux-x86-64.so.2", &read(&library(root, "ld-linux-x86-64.so.2")?)?);
    for name in LIBRARIES {
        archive.file(&format!("{LIBRARY_FOLDER}/{name}"), &read(&library(root, name)?)?);
    }
    archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/false\n");
    archive.file("etc/group", b"root:x:0:\n");
    archive.file("etc/nginx.conf", NGINX_SETTINGS.as_bytes());
    Ok(archive.finish())
}

/// Debian keeps libraries in two folders.
fn library(root: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folders = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
    let found = folders.iter().map(|folder| root.join(folder).join(name)).find(|file| file.is_file());
    found.ok_or_else(|| Failure::File(format!("no {name} in {}: remove that folder and run again", root.display())))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| file_failure(file, &error))
}
