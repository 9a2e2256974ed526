//! Building the unikernel's image.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::failure::Failure;
use crate::install;
use crate::progress::Progress;
use crate::qemu::Arch;

/// The environment variable by which `cargo xtask test` hands a built image to the tests.
pub const IMAGE_VARIABLE: &str = "LENDWIRE_IMAGE";

const PACKAGE: &str = "lendwire-unikernel";

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    // Under cargo the package that runs is asked first: a moved checkout's builds still know the old place.
    let running = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let parents = running.into_iter().chain([built]).filter_map(|package| package.parent().map(Path::to_path_buf));
    parents.into_iter().find(|folder| folder.join("xtask/Cargo.toml").is_file()).unwrap_or_default()
}

/// `cargo`, run in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(workspace());
    command
}

/// What cargo says of the packages of a manifest.
///
/// # Errors
/// [`Failure::Build`] with cargo's words.
pub(crate) fn metadata(manifest: &Path) -> Result<Value, Failure> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| Failure::Build(format!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// The folder that cargo builds the workspace into.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let metadata = metadata(&workspace().join("Cargo.toml"))?;
    let target = metadata["target_directory"].as_str();
    target.map(PathBuf::from).ok_or_else(|| Failure::Build("cargo names no target directory".into()))
}

/// The targets of one kind, such as `test` or `bin`, in what [`metadata`] returns.
pub(crate) fn targets<'a>(metadata: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    targets.filter(move |target| target["kind"][0] == kind)
}

/// The image to boot on x86_64: the one that [`IMAGE_VARIABLE`] names, or one built now.
///
/// # Errors
/// As [`build`].
pub fn path() -> Result<PathBuf, Failure> {
    match env::var_os(IMAGE_VARIABLE) {
        Some(path) => Ok(path.into()),
        None => build(Arch::X86_64),
    }
}

/// Builds the image and returns its path.
///
/// # Errors
/// [`Failure::Missing`] without the Rust target, [`Failure::Build`] with the compiler's words.
pub fn build(arch: Arch) -> Result<PathBuf, Failure> {
    build_binary(cargo(), arch, PACKAGE, &[])
}

/// Builds the image for x86_64 that counts its own instructions, and returns its path.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_counts() -> Result<PathBuf, Failure> {
    // Incremental compilation cuts crates into other units, which are inlined differently.
    let mut cargo = cargo();
    cargo.env("CARGO_INCREMENTAL", "0");
    build_binary(cargo, Arch::X86_64, "lendwire-unikernel-counts", &["--features", "counts"])
}

fn build_binary(mut cargo: Command, arch: Arch, binary: &str, features: &[&str]) -> Result<PathBuf, Failure> {
    install::rust_target(&workspace(), arch.target())?;
    let progress = Progress::start("building the unikernel");
    let mut child = cargo
        .args(["build", "--release", "-p", PACKAGE, "--bin", binary, "--target", arch.target()])
        .args(features)
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;

    let mut stderr = child.stderr.take().expect("stderr is piped");
    let diagnostics = thread::spawn(move || {
        let mut text = Vec::new();
        // What can still be read is shown; a broken pipe means that cargo ended.
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });

    let mut image = None;
    let mut built = 0;
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok) {
        let Some(artifact) = Artifact::read(&line) else { continue };
        built += 1;
        progress.at(format!("{built} built, last {}", artifact.name));
        image = artifact.executable.or(image);
    }
    let status = child.wait().map_err(|error| Failure::Build(format!("cargo was lost: {error}")))?;
    let diagnostics = diagnostics.join().unwrap_or_default();
    if !status.success() {
        drop(progress);
        return Err(Failure::Build(format!(
            "{}\nthe unikernel did not build (cargo: {status})",
            diagnostics.trim_end()
        )));
    }
    if !diagnostics.trim().is_empty() {
        progress.say(diagnostics.trim_end());
    }
    progress.done();
    image.ok_or_else(|| Failure::Build(format!("cargo built no executable from {PACKAGE}")))
}

struct Artifact {
    name: String,
    executable: Option<PathBuf>,
}

impl Artifact {
    /// Reads one message of cargo's JSON output; `None` for the other kinds.
    fn read(line: &str) -> Option<Artifact> {
        let message: Value = serde_json::from_str(line).ok()?;
        if message["reason"] != "compiler-artifact" {
            return None;
        }
        Some(Artifact {
            name: message["target"]["name"].as_str()?.to_owned(),
            executable: message["executable"].as_str().map(PathBuf::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_artifacts_are_read_from_cargo() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/t/a"}"#;
        let artifact = Artifact::read(line).expect("an artifact");
        assert_eq!((artifact.name.as_str(), artifact.executable), ("a", Some("/t/a".into())));
        let library = r#"{"reason":"compiler-artifact","target":{"name":"b"},"executable":null}"#;
        assert_eq!(Artifact::read(library).expect("an artifact").executable, None);
        assert!(Artifact::read(r#"{"reason":"build-finished","success":true}"#).is_none());
        assert!(Artifact::read("warning: words").is_none());
    }
}
