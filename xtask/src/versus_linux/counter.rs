//! The plugin that counts a guest's instructions, and the file in which it does.
//!
//! Invariant: the file is only read here while QEMU writes it; a word is read whole, since both go through the same
//! pages of memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    std::fs::write(&file, source).map_err(|error| file_failure(&file, &error))?;
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
    path: PathBuf,
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
    /// A new file at `path` with room for so many blocks.
    ///
    /// # Errors
    /// [`Failure::File`].
    pub(super) fn create(path: &Path, blocks: usize) -> Result<Counter, Failure> {
        let create = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
            file.set_len(((HEADER + WORDS_A_BLOCK * blocks) * WORD) as u64)?;
            Ok(file)
        };
        let file = create().map_err(|error| file_failure(path, &error))?;
        Ok(Counter { file, path: path.to_owned(), blocks })
    }

    /// QEMU's arguments.
    pub(super) fn arguments(&self, plugin: &Path) -> [String; 2] {
        // QEMU ends a value at a comma unless it is doubled.
        let [plugin, path] = [plugin, &self.path].map(|path| path.display().to_string().replace(',', ",,"));
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
        read.map_err(|error| file_failure(&self.path, &error))?;
        let words = bytes.chunks_exact(WORD);
        Ok(words.map(|word| u64::from_ne_bytes(word.try_into().expect("a chunk is a word"))).collect())
    }
}

pub(super) fn file_failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::File(format!("{}: {error}", path.display()))
}
