//! The two guests: what is booted, on which machine, and how QEMU is told.
//!
//! Invariant: both have the same machine, card, memory and address, and one processor; they differ in the kernel, and in
//! what keeps Linux from string instructions that the translator is slow at.

use std::fs;
use std::path::{Path, PathBuf};

use super::counter::{self, Counter, file_failure};
use super::debian::Packages;
use super::initramfs;
use super::room::{ADDRESS, MAC};
use crate::accel::Accel;
use crate::failure::Failure;
use crate::image;
use crate::install;
use crate::progress::Progress;
use crate::qemu::{Arch, Guest, KernelLine, Net, Offloads, Options};

/// Where the Linux guest's init is written down.
const INIT: &str = include_str!("guest/init.c");

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Linux,
    Lendwire,
}

/// How it is booted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot<'a> {
    pub(super) kernel: Kernel,
    pub(super) offloads: Offloads,
    /// In MiB.
    pub(super) memory: u32,
    pub(super) counter: Option<&'a Counter>,
    pub(super) nginx: Nginx,
}

/// Whether nginx runs in the Linux guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nginx {
    Beside,
    Without,
}

/// All files that the guests are made of, in one folder.
#[derive(Debug)]
pub(super) struct Parts {
    folder: PathBuf,
    image: PathBuf,
    qemu: PathBuf,
}

impl Parts {
    /// Builds or fetches them; this needs the network the first time.
    ///
    /// # Errors
    /// [`Failure::Missing`] without Debian's packages or a compiler, [`Failure::Build`], [`Failure::File`].
    pub(super) fn prepare() -> Result<Parts, Failure> {
        let parts = Parts::found(image::path()?)?;
        let folder = &parts.folder;
        fs::create_dir_all(folder).map_err(|error| file_failure(folder, &error))?;
        counter::build(folder)?;
        let init = counter::compile(INIT, &folder.join("init"), &["-static", "-s"])?;
        let progress = Progress::start("fetching Debian's kernel and nginx");
        let packages = Packages::new(folder.clone());
        let (kernel, modules) = packages.kernel()?;
        let base = initramfs::base(&init, &modules)?;
        let nginx = initramfs::nginx(&packages.nginx()?)?;
        let write = |name: &str, bytes: &[u8]| {
            let file = folder.join(name);
            fs::write(&file, bytes).map_err(|error| file_failure(&file, &error))
        };
        write("base.cpio", &base)?;
        write("nginx.cpio", &[base, nginx].concat())?;
        let kernel = fs::read(&kernel).map_err(|error| file_failure(&kernel, &error))?;
        write("vmlinuz", &kernel)?;
        progress.done();
        Ok(parts)
    }

    /// Those that were prepared, and the image.
    ///
    /// # Errors
    /// [`Failure::Missing`] without QEMU, [`Failure::Build`] when cargo does not say where it builds.
    pub(super) fn found(image: PathBuf) -> Result<Parts, Failure> {
        let folder = image::target()?.join("versus-linux");
        Ok(Parts { folder, image, qemu: install::tool(Arch::X86_64.emulator())? })
    }

    /// Our image.
    pub(super) fn image(&self) -> &Path {
        &self.image
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a guest.
    ///
    /// # Errors
    /// As [`Guest::boot`].
    pub(super) fn boot(&self, boot: &Boot<'_>, tap: &str) -> Result<Guest, Failure> {
        Guest::boot(self.options(boot, tap))
    }

    fn options(&self, boot: &Boot<'_>, tap: &str) -> Options {
        let mut options = Options {
            qemu: Some(self.qemu.clone()),
            net: Net::Tap(tap.to_owned()),
            offloads: boot.offloads,
            properties: vec![format!("mac={MAC}")],
            accel: Accel::Tcg,
            memory: boot.memory,
            ..Options::new(&self.image)
        };
        match boot.kernel {
            // It sleeps when it has nothing to do, as Linux does: looking out for frames would count.
            Kernel::Lendwire => {
                let (ip, poll) = (Some(format!("{ADDRESS}/24")), Some("never".to_owned()));
                options.kernel = KernelLine { ip, poll, ..KernelLine::default() };
            }
            Kernel::Linux => {
                options.image = self.folder.join("vmlinuz");
                options.extra = self.linux(boot.nginx);
            }
        }
        if let Some(counter) = boot.counter {
            options.extra.extend(counter.arguments(&self.folder.join("count.so")));
        }
        options
    }

    /// What QEMU is told of Linux. It is spared what costs instructions and is not the network's: no mitigations, no
    /// waiting for entropy, no words on the serial port.
    fn linux(&self, nginx: Nginx) -> Vec<String> {
        let mut line = format!("console=ttyS0 quiet mitigations=off panic=-1 tsc=reliable address={ADDRESS}");
        let archive = match nginx {
            Nginx::Without => "base.cpio",
            Nginx::Beside => {
                line.push_str(" nginx");
                "nginx.cpio"
            }
        };
        let archive = self.folder.join(archive).display().to_string();
        ["-cpu", "max,-erms,-fsrm", "-initrd", &archive, "-append", &line].map(String::from).to_vec()
    }
}
