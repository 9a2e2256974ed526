//! Running what is counted under callgrind, and reading what it wrote ("Callgrind Format Specification" of Valgrind's manual).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::install::Tool;

/// The function whose calls are counted and dumped.
const ENCLOSED: &str = "lendwire_benches::counted::enclosed";

/// From so many bytes on the C library copies by one instruction, which valgrind counts as one for each byte: from none on.
const NO_STRING_INSTRUCTIONS: &str = "glibc.cpu.x86_rep_movsb_threshold=0x7fffffffffffffff:\
                                      glibc.cpu.x86_rep_stosb_threshold=0x7fffffffffffffff";

/// Where an instruction lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    /// The program, or a library.
    pub(crate) object: String,
    /// As in the object's file.
    pub(crate) address: u64,
}

/// What one call of [`ENCLOSED`] did.
#[derive(Debug)]
pub(crate) struct Dump {
    /// What was done, and how often.
    pub(crate) path: String,
    pub(crate) times: u64,
    /// How often each instruction was executed.
    pub(crate) costs: BTreeMap<Site, u64>,
}

/// What it takes.
pub(crate) const TOOL: Tool = Tool { program: "valgrind", package: "valgrind" };

/// Runs `program` with `arguments`, with `folder` for callgrind's files.
///
/// Its name and its environment lie above its stack, and how many instructions `memcpy` takes depends on where a stack begins:
/// both are the same for everybody.
pub(crate) fn run(program: &Path, arguments: &[String], folder: &Path) -> Result<Vec<Dump>, Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::File(format!("{what}: {error}"));
    // What an earlier run left must not be read as this one's.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| failed("no folder for callgrind's files", error))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--toggle-collect={ENCLOSED}"))
        .arg(format!("--dump-after={ENCLOSED}"))
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(Path::new(".").join(program.file_name().unwrap_or(program.as_os_str())))
        .args(arguments)
        .current_dir(program.parent().unwrap_or(Path::new(".")))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GLIBC_TUNABLES", NO_STRING_INSTRUCTIONS)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::Missing(format!("valgrind did not start: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Build(format!("the paths did not run to their end:\n{}", said.trim_end())));
    }
    let mut dumps = Vec::new();
    for (number, line) in String::from_utf8_lossy(&output.stdout).lines().enumerate() {
        let entry = line.rsplit_once('\t').and_then(|(path, times)| Some((path, times.parse().ok()?)));
        let (path, times) = entry.ok_or_else(|| Failure::File(format!("the paths say {line:?}")))?;
        let file = folder.join(format!("out.{}", number + 1));
        let text = fs::read_to_string(&file).map_err(|error| failed("a dump of callgrind", error))?;
        dumps.push(Dump { path: path.to_owned(), times, costs: costs(&text) });
    }
    let _ = fs::remove_dir_all(folder);
    Ok(dumps)
}

/// The instructions in a dump. A line that follows `calls=` is what callees cost, which their own lines say again.
fn costs(text: &str) -> BTreeMap<Site, u64> {
    let mut costs = BTreeMap::new();
    let mut object = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("ob=") {
            object = name.to_owned();
        } else if line.starts_with("calls=") {
            lines.next();
        } else if let Some((address, count)) = cost(line) {
            *costs.entry(Site { object: object.clone(), address }).or_default() += count;
        }
    }
    costs
}

/// `0xADDRESS LINE COUNT`.
fn cost(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("0x")?.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    Some((address, words.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_not_counted_twice() {
        let text = "events: Ir\n\nob=a\nfn=f\n0x10 3 2\ncob=b\ncfn=g\ncalls=1 0x8 1\n0x12 4 70\n0x14 5 1\n\nob=b\nfn=g\n0x8 1 70\n";
        let site = |object: &str, address| Site { object: object.into(), address };
        let expected = [(site("a", 0x10), 2), (site("a", 0x14), 1), (site("b", 8), 70)];
        assert_eq!(costs(text), BTreeMap::from(expected));
    }
}
