//! An archive that Linux unpacks into its first file system: cpio's "newc" format.
//!
//! Invariant: every entry, and the archive, begins at a multiple of four bytes, so archives may follow each other.
//! Source: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`.

/// The kind of an entry: its bits in the mode (`stat.h`).
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive in the making.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// What follows the magic number of an entry, but for the lengths of name and content.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    mode: u32,
    device: (u32, u32),
}

impl Archive {
    /// A folder. Those above it must come before.
    pub(super) fn folder(&mut self, path: &str) {
        self.entry(path, Head { mode: FOLDER | 0o755, ..Head::default() }, &[]);
    }

    /// A file that everybody may read and run.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, Head { mode: FILE | 0o755, ..Head::default() }, content);
    }

    /// A character device.
    pub(super) fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, Head { mode: CHARACTER_DEVICE | 0o600, device: (major, minor) }, &[]);
    }

    /// The archive, ended.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", Head::default(), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, head: Head, content: &[u8]) {
        self.entries += 1;
        let length = u32::try_from(content.len()).expect("a file of an initial file system is below 4 GiB");
        let name_length = path.len() as u32 + 1;
        let (links, time, owner) = (1, 0, 0);
        let fields = [
            self.entries,
            head.mode,
            owner,
            owner,
            links,
            time,
            length,
            0,
            0,
            head.device.0,
            head.device.1,
            name_length,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the archive back, by the words of the format's description.
    fn entries(archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut rest = archive;
        while !rest.is_empty() {
            assert_eq!(&rest[..6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&rest[6 + 8 * index..14 + 8 * index]).expect("hexadecimal digits");
                u32::from_str_radix(text, 16).expect("hexadecimal digits") as usize
            };
            let (mode, length, name_length) = (field(1), field(6), field(11));
            let name = std::str::from_utf8(&rest[110..110 + name_length - 1]).expect("a name");
            assert_eq!(rest[110 + name_length - 1], 0);
            let content = (110 + name_length).next_multiple_of(4);
            found.push((name.to_owned(), mode as u32, rest[content..content + length].to_vec()));
            rest = &rest[(content + length).next_multiple_of(4)..];
        }
        found
    }

    #[test]
    fn what_is_put_in_is_found_again() {
        let mut archive = Archive::default();
        archive.folder("dev");
        archive.character_device("dev/console", 5, 1);
        for length in 0..9 {
            archive.file(&"f".repeat(1 + length), &vec![7; length]);
        }
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let found = entries(&bytes);
        assert_eq!(found[0], ("dev".into(), 0o040_755, vec![]));
        assert_eq!(found[1], ("dev/console".into(), 0o020_600, vec![]));
        for length in 0..9 {
            assert_eq!(found[2 + length], ("f".repeat(1 + length), 0o100_755, vec![7; length]));
        }
        assert_eq!(found[11].0, "TRAILER!!!");
        assert_eq!(found.len(), 12);
    }

    #[test]
    fn an_entry_has_the_fields_of_the_format() {
        let mut archive = Archive::default();
        archive.character_device("c", 5, 1);
        let text = String::from_utf8(archive.finish()).expect("this entry is text");
        let expected = "070701\
             00000001\
             00002180\
             00000000\
             00000000\
             00000001\
             00000000\
             00000000\
             00000000\
             00000000\
             00000005\
             00000001\
             00000002\
             00000000\
             c\0";
        assert!(text.starts_with(expected), "{text:?}");
    }
}
