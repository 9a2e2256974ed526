//! Text written into a buffer that does not grow: it fits whole or is not used.

use core::fmt::{self, Write};

/// A writer that remembers whether everything fitted.
pub(crate) struct FixedText<'b> {
    buffer: &'b mut [u8],
    len: usize,
    is_cut: bool,
}

impl<'b> FixedText<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0, is_cut: false }
    }

    /// The text, or `None` when it did not fit.
    pub(crate) fn finish(self) -> Option<&'b [u8]> {
        if self.is_cut {
            return None;
        }
        Some(&self.buffer[..self.len])
    }
}

impl Write for FixedText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let Some(room) = self.buffer.get_mut(self.len..end) else {
            self.is_cut = true;
            return Err(fmt::Error);
        };
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_exactly_is_kept() {
        let mut buffer = [0; 5];
        let mut text = FixedText::new(&mut buffer);
        write!(text, "{}-{}", 12, 34).unwrap();
        assert_eq!(text.finish(), Some(&b"12-34"[..]));
    }

    #[test]
    fn text_that_was_cut_is_not_used_even_if_later_pieces_fit() {
        let mut buffer = [0; 4];
        let mut text = FixedText::new(&mut buffer);
        assert!(text.write_str("12345").is_err());
        assert!(text.write_str("1").is_ok());
        assert_eq!(text.finish(), None);
    }
}
