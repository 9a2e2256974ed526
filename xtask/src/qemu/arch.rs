//! The processors that the image is built for: the emulator, the machine, the way to name them.

use clap::ValueEnum;

use crate::install::Tool;

/// A processor architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// A PC: q35, or microvm with virtio-mmio
    #[default]
    #[value(name = "x86_64")]
    X86_64,
    /// The `virt` machine
    #[value(name = "aarch64")]
    Aarch64,
    /// The `virt` machine
    #[value(name = "riscv64")]
    Riscv64,
}

impl Arch {
    /// The emulator, and the Debian package that has it.
    pub fn emulator(self) -> Tool {
        let (program, package) = match self {
            Arch::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Arch::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
            Arch::Riscv64 => ("qemu-system-riscv64", "qemu-system-misc"),
        };
        Tool { program, package }
    }

    /// The Rust target that the image is built for.
    pub fn target(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-none",
            Arch::Aarch64 => "aarch64-unknown-none",
            Arch::Riscv64 => "riscv64gc-unknown-none-elf",
        }
    }

    /// QEMU's name for the processor with the most features; in 7.2 riscv64 has no `max`.
    pub(super) fn processor(self) -> &'static str {
        match self {
            Arch::X86_64 | Arch::Aarch64 => "max",
            Arch::Riscv64 => "rv64",
        }
    }

    /// What lets the guest end QEMU with a status, where the machine does not have it by itself.
    pub(super) fn exit(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 => &["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
            Arch::Aarch64 => &["-semihosting-config", "enable=on,target=native"],
            Arch::Riscv64 => &[],
        }
    }

    /// Whether this host's own processors could run it.
    pub fn is_the_hosts(self) -> bool {
        let host = match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
        };
        host == std::env::consts::ARCH
    }
}
