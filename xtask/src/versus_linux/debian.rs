//! Debian's packages, fetched and taken apart in a folder: nothing is installed on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::counter::file_failure;
use crate::failure::Failure;
use crate::install;

/// The kernel for virtual machines; it depends on the package that has it.
const KERNEL: &str = "linux-image-cloud-amd64";
/// nginx, and the packages of the libraries that it is linked with.
const NGINX: [&str; 6] = ["nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g"];

/// A folder of packages.
#[derive(Debug)]
pub(super) struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// In `folder`, which may have them from an earlier time.
    pub(super) fn new(folder: PathBuf) -> Packages {
        Packages { folder }
    }

    /// The kernel's image and its modules' folder.
    ///
    /// # Errors
    /// [`Failure::Missing`] when the packages cannot be had.
    pub(super) fn kernel(&self) -> Result<(PathBuf, PathBuf), Failure> {
        let root = self.unpack("kernel", || {
            let depends = self.run("apt-cache", &["depends", KERNEL])?;
            let package = dependency(&depends, "linux-image-")
                .ok_or_else(|| Failure::Missing(format!("{KERNEL} depends on no kernel:\n{depends}")))?;
            Ok(vec![package])
        })?;
        let image = only(&root.join("boot"), "vmlinuz-")?;
        let modules = only(&root.join("lib/modules"), "")?.join("kernel");
        Ok((image, modules))
    }

    /// The folder with nginx and its libraries.
    ///
    /// # Errors
    /// [`Failure::Missing`] when the packages cannot be had.
    pub(super) fn nginx(&self) -> Result<PathBuf, Failure> {
        self.unpack("nginx", || Ok(NGINX.map(String::from).to_vec()))
    }

    /// The folder `name` with what the packages hold, made at the first time.
    fn unpack(&self, name: &str, packages: impl Fn() -> Result<Vec<String>, Failure>) -> Result<PathBuf, Failure> {
        let whole = self.folder.join(name);
        if whole.is_dir() {
            return Ok(whole);
        }
        for program in ["apt-get", "dpkg-deb"] {
            if install::find(program).is_none() {
                return Err(Failure::Missing(format!(
                    "{program} is not here: the Linux guest is made of Debian's packages"
                )));
            }
        }
        let part = self.folder.join(format!("{name}.part"));
        // Of a run that was broken off.
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).map_err(|error| file_failure(&part, &error))?;
        // A host may never have asked for the lists.
        let packages = packages().or_else(|_| self.run("apt-get", &["update"]).and_then(|_| packages()))?;
        self.download(&part, &packages)?;
        for archive in files(&part)?.iter().filter(|file| file.extension().is_some_and(|end| end == "deb")) {
            self.run("dpkg-deb", &["-x", &archive.display().to_string(), &part.display().to_string()])?;
            fs::remove_file(archive).map_err(|error| file_failure(archive, &error))?;
        }
        fs::rename(&part, &whole).map_err(|error| file_failure(&whole, &error))?;
        Ok(whole)
    }

    fn download(&self, to: &Path, packages: &[String]) -> Result<(), Failure> {
        let download = || {
            let output = Command::new("apt-get").arg("-q").arg("download").args(packages).current_dir(to).output();
            said("apt-get download", output)
        };
        if download().is_ok() {
            return Ok(());
        }
        // Lists that are old name versions that are gone.
        self.run("apt-get", &["update"])?;
        download().map(drop)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, Failure> {
        said(program, Command::new(program).args(arguments).output())
    }
}

fn said(program: &str, output: std::io::Result<Output>) -> Result<String, Failure> {
    let output = output.map_err(|error| Failure::Missing(format!("{program} did not start: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Missing(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// The first package of such a name in what `apt-cache depends` prints.
fn dependency(listing: &str, prefix: &str) -> Option<String> {
    let depends = listing.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    depends.map(str::trim).find(|name| name.starts_with(prefix)).map(str::to_owned)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| file_failure(folder, &error))?;
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn only(folder: &Path, prefix: &str) -> Result<PathBuf, Failure> {
    let is_it = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let found = files(folder)?.into_iter().find(is_it);
    found.ok_or_else(|| Failure::Missing(format!("there is no {prefix}* in {}: remove that folder", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_behind_the_name_is_found() {
        let listing = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n  Suggests: linux-x\n";
        assert_eq!(dependency(listing, "linux-image-").as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n", "linux-image-"), None);
    }

    #[test]
    fn what_is_unpacked_is_not_fetched_again() {
        let folder = std::env::temp_dir().join(format!("lendwire-packages-{}", std::process::id()));
        fs::create_dir_all(folder.join("nginx")).unwrap();
        let packages = Packages::new(folder.clone());
        assert_eq!(packages.nginx(), Ok(folder.join("nginx")));
        fs::remove_dir_all(folder).unwrap();
    }
}
