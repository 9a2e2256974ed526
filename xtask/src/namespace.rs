//! Tests in a network namespace of their own: it has no name, nobody else sees it, and it ends with the test's process,
//! however that ends.

use std::env;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install::{self, Tool};
use crate::test::SKIP_TAP_VARIABLE;

/// Set in the process that runs inside.
const INSIDE: &str = "LENDWIRE_INSIDE";

/// What a test needs of its host, beside root and TAP devices.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// Programs that it calls.
    pub tools: &'a [Tool],
    /// A command that fails where the kernel lacks something, run in a namespace that it may spoil.
    pub tried: &'a str,
}

/// Runs `body`, which is the whole of the test `name`, in a process with a network namespace of its own; out here
/// `prepare` may tell that process more. Says so where the host lacks something, and runs nothing.
///
/// # Panics
/// If the run inside fails.
pub fn inside(name: &str, needs: &Needs<'_>, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    if is_inside() {
        return body();
    }
    if let Some(why) = why_not(needs) {
        // Past the test runner, which keeps what a passed test prints to itself.
        writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("stderr is open");
        return;
    }
    let mut command = entering(&env::current_exe().expect("a test has an executable"));
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    prepare(&mut command);
    let status = command.status().expect("setpriv starts");
    assert!(status.success(), "the run inside ended with {:?}, signal {:?}", status.code(), status.signal());
}

/// Whether this process is one that [`entering`] started.
pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// `program`, to be started in a network namespace of its own that ends with it, and it with this process.
pub fn entering(program: &Path) -> Command {
    // /sys shows the devices of the namespace that it was mounted in.
    let enter = r#"mount -t sysfs sysfs /sys && exec "$0" "$@""#;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "unshare", "--net", "--mount", "--", "sh", "-c", enter])
        .arg(program)
        .env(INSIDE, "1")
        .stdin(Stdio::null());
    command
}

/// What this host lacks.
pub fn why_not(needs: &Needs<'_>) -> Option<String> {
    if env::var_os(SKIP_TAP_VARIABLE).is_some() {
        return Some(format!("{SKIP_TAP_VARIABLE} is set"));
    }
    if !install::is_root() {
        return Some("a TAP device and a network namespace need root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun: load the tun module".into());
    }
    if let Err(failure) = install::ensure(needs.tools) {
        return Some(failure.to_string());
    }
    let tried = needs.tried;
    match Command::new("unshare").args(["--net", "--", "sh", "-c", tried]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`{tried}`: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("unshare did not start: {error}")),
    }
}
