//! The plugin that counts a guest's instructions, and the file in which it does.
//!
//! Invariant: the file is only read here while QEMU writes it; a word is read whole, since both go through the same
//! pages of memory. It has no name any more when QEMU opens it, so that nothing is left behind however a run ends.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::install::{self, Tool};

/// The plugin's source.
const SOURCE: &str = include_str!("count.c");
/// Words before the first block, and words of a block, as the source has them.
const HEADER: usize = 8;
const WORDS_A_BLOCK: usize = 3;
const WORD: usize = 8;

/// Compiles the plugin into `folder`.
///
/// # Errors
/// [`Failure::Missing`] without a C compiler, [`Failure::Build`] with its words.
pub(super) fn build(folder: &Path) -> Result<PathBuf, Failure> {
    compile(SOURCE, &folder.join("count.so"), &["-shared", "-fPIC"])
}

/// Compiles one file of C.
///
/// # Errors
/// [`Failure::Missing`] without a C compiler, [`Failure::Build`] with its words.
pub(super) fn compile(source: &str, to: &Path, options: &[&str]) -> Result<PathBuf, Failure> {
    let compiler = install::tool(Tool { program: "cc", package: "gcc libc6-dev" })?;
    let file = to.with_extension("c");
    fs::write(&file, source).map_err(|error| file_failure(&file, &error))?;
    let mut command = Command::new(compiler);
    command.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"]).args(options);
    let output = command.arg("-o").arg(to).arg(&file).output();
    let output = output.map_err(|error| Failure::Build(format!("cc did not start: {error}")))?;
    if output.status.success() {
        return Ok(to.to_owned());
    }
    Err(Failure::Build(format!("{} did not compile:\n{}", file.display(), String::from_utf8_lossy(&output.stderr))))
}

/// The counts of one guest.
#[derive(Debug)]
pub(super) struct Counter {
    file: File,
    blocks: usize,
}

/// What was translated at once, and ran so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) address: u64,
    pub(super) instructions: u64,
    pub(super) times: u64,
}

impl Counter {
    /// A new file in `folder` with room for so many blocks.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(super) fn create(folder: &Path, blocks: usize) -> Result<Counter, Failure> {
        let path = folder.join(format!("counts.{}", process::id()));
        let create = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
            fs::remove_file(&path)?;
            file.set_len(((HEADER + WORDS_A_BLOCK * blocks) * WORD) as u64)?;
            Ok(file)
        };
        let file = create().map_err(|error| file_failure(&path, &error))?;
        Ok(Counter { file, blocks })
    }

    /// Where this process's open file is found.
    fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd()).into()
    }

    /// QEMU's arguments.
    pub(super) fn arguments(&self, plugin: &Path) -> [String; 2] {
        // QEMU ends a value at a comma unless it is doubled.
        let [plugin, path] = [plugin, &self.path()].map(|path| path.display().to_string().replace(',', ",,"));
        ["-plugin".into(), format!("{plugin},counts={path},blocks={}", self.blocks)]
    }

    /// Instructions so far.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(super) fn instructions(&self) -> Result<u64, Failure> {
        Ok(self.words(0, 1)?[0])
    }

    /// Instructions once the guest has come to rest: as few in a moment as `at_rest` says, or a second has passed.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(super) fn settled(&self, at_rest: u64) -> Result<u64, Failure> {
        const MOMENT: Duration = Duration::from_millis(8);
        let end = Instant::now() + Duration::from_secs(1);
        let mut before = self.instructions()?;
        loop {
            thread::sleep(MOMENT);
            let now = self.instructions()?;
            if now - before <= at_rest || Instant::now() > end {
                return Ok(now);
            }
            before = now;
        }
    }

    /// Every block so far.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(super) fn blocks(&self) -> Result<Vec<Block>, Failure> {
        let known = self.words(1, 1)?[0] as usize;
        let words = self.words(HEADER, WORDS_A_BLOCK * known.min(self.blocks))?;
        let blocks = words.chunks_exact(WORDS_A_BLOCK);
        Ok(blocks.map(|block| Block { address: block[0], instructions: block[1], times: block[2] }).collect())
    }

    fn words(&self, from: usize, count: usize) -> Result<Vec<u64>, Failure> {
        let mut bytes = vec![0; count * WORD];
        let read = self.file.read_exact_at(&mut bytes, (from * WORD) as u64);
        read.map_err(|error| file_failure(&self.path(), &error))?;
        let words = bytes.chunks_exact(WORD);
        Ok(words.map(|word| u64::from_ne_bytes(word.try_into().expect("a chunk is a word"))).collect())
    }
}

pub(super) fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::File(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_where_qemu_is_told_is_read() {
        let counter = Counter::create(&std::env::temp_dir(), 2).expect("a folder for temporary files");
        let [flag, value] = counter.arguments(Path::new("/a,b/count.so"));
        assert_eq!(flag, "-plugin");
        let path = value.strip_prefix("/a,,b/count.so,counts=").and_then(|rest| rest.strip_suffix(",blocks=2"));
        let path = Path::new(path.expect("a plugin, its file and its blocks"));
        let words: [u64; HEADER + 6] = [500, 2, 0, 0, 0, 0, 0, 0, 0x1000, 5, 60, 0x2000, 20, 10];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(fs::metadata(path).expect("the file has no name, and is there").len(), bytes.len() as u64);
        fs::write(path, bytes).expect("whoever is told may write");
        assert_eq!(counter.instructions(), Ok(500));
        assert_eq!(counter.settled(0), Ok(500));
        let expected = [(0x1000, 5, 60), (0x2000, 20, 10)];
        let expected = expected.map(|(address, instructions, times)| Block { address, instructions, times });
        assert_eq!(counter.blocks(), Ok(expected.to_vec()));
    }
}
