//! Which accelerator QEMU runs the guest with.
//!
//! KVM inside a page-table VM (one whose processor shows neither `vmx` nor `svm`) opens `/dev/kvm` all right, and then
//! interprets every ring-0 instruction: hundreds of times slower than TCG. A guest of ring 0 only must not land there.

use std::fs;

use clap::ValueEnum;

use crate::failure::Failure;
use crate::qemu::Arch;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Request {
    /// KVM where the processor has vmx or svm and /dev/kvm opens, else TCG
    Auto,
    /// QEMU's translator: runs anywhere
    Tcg,
    /// The processor's own virtualisation
    Kvm,
}

/// What QEMU is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// `-accel tcg`
    Tcg,
    /// `-accel kvm`
    Kvm,
}

impl Accel {
    /// The value of QEMU's `-accel`.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Tcg => "tcg",
            Accel::Kvm => "kvm",
        }
    }
}

/// Decides for this host and a guest of architecture `arch`.
///
/// # Errors
/// [`Failure::Missing`] when KVM was asked for by name and `/dev/kvm` does not open.
pub fn on_this_host(request: Request, arch: Arch) -> Result<Accel, Failure> {
    if request == Request::Auto && !arch.is_the_hosts() {
        return Ok(Accel::Tcg);
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let opens = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    let accel = choose(request, &cpuinfo, opens)?;
    if accel == Accel::Kvm && !has_virtualisation(&cpuinfo) {
        eprintln!("warning: this processor shows neither vmx nor svm, so KVM may be far slower than --accel tcg");
    }
    Ok(accel)
}

/// The rule itself: `cpuinfo` is the text of `/proc/cpuinfo`, `kvm_opens` whether `/dev/kvm` opens for reading and writing.
///
/// # Errors
/// [`Failure::Missing`] when KVM was asked for by name and does not open.
pub fn choose(request: Request, cpuinfo: &str, kvm_opens: bool) -> Result<Accel, Failure> {
    match request {
        Request::Tcg => Ok(Accel::Tcg),
        Request::Auto if kvm_opens && has_virtualisation(cpuinfo) => Ok(Accel::Kvm),
        Request::Auto => Ok(Accel::Tcg),
        Request::Kvm if kvm_opens => Ok(Accel::Kvm),
        Request::Kvm => Err(Failure::Missing(
            "/dev/kvm does not open for reading and writing. Load the kvm module and join the group that owns the device, \
             or use --accel tcg"
                .into(),
        )),
    }
}

fn has_virtualisation(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.trim() == "flags")
        .any(|(_, flags)| flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: &str = "processor\t: 0\nvmx flags\t: vnmi\nflags\t\t: fpu vme vmx ssse3\n";
    const AMD: &str = "processor\t: 0\nflags\t\t: fpu svm\n";
    // A model name and the flags of a page-table VM: the words occur, but not as flags.
    const TRAP: &str = "model name\t: svm vmx\nvmx flags\t: vmx\nflags\t\t: fpu vme svm_lock hypervisor\n";

    #[test]
    fn auto_takes_kvm_only_with_both_the_flag_and_the_device() {
        assert_eq!(choose(Request::Auto, INTEL, true), Ok(Accel::Kvm));
        assert_eq!(choose(Request::Auto, AMD, true), Ok(Accel::Kvm));
        assert_eq!(choose(Request::Auto, INTEL, false), Ok(Accel::Tcg));
        assert_eq!(choose(Request::Auto, TRAP, true), Ok(Accel::Tcg));
        assert_eq!(choose(Request::Auto, "", true), Ok(Accel::Tcg));
    }

    #[test]
    fn a_request_by_name_is_obeyed_or_refused() {
        assert_eq!(choose(Request::Tcg, INTEL, true), Ok(Accel::Tcg));
        assert_eq!(choose(Request::Kvm, TRAP, true), Ok(Accel::Kvm));
        assert!(matches!(choose(Request::Kvm, INTEL, false), Err(Failure::Missing(_))));
    }
}
