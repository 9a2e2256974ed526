//! The kernel command line, copied from wherever the loader left it.

/// Bytes that are kept; a line that fills them is refused by its reader, for it may be longer.
pub(super) const ROOM: usize = 1024;

/// The kernel command line, as bytes: no loader promises an encoding.
pub(crate) struct CommandLine {
    bytes: [u8; ROOM],
    len: usize,
}

impl CommandLine {
    /// Copies `text`, as much of it as there is room for.
    pub(super) fn of(text: impl Iterator<Item = u8>) -> Self {
        let mut line = Self { bytes: [0; ROOM], len: 0 };
        for (slot, byte) in line.bytes.iter_mut().zip(text) {
            *slot = byte;
            line.len += 1;
        }
        line
    }

    /// The words, or `None` where they are not UTF-8 or longer than what is kept.
    pub(crate) fn text(&self) -> Option<&str> {
        if self.len == ROOM {
            return None;
        }
        core::str::from_utf8(&self.bytes[..self.len]).ok()
    }
}
