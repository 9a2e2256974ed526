//! The option of TCP Fast Open (RFC 7413 §4.1.1), by its own number and by the one it had while it was an experiment
//! (RFC 6994).
//!
//! Invariant: a [`Cookie`] has a length that the option can carry. An option of any other length is none: it must be
//! ignored, and harms nothing else of its segment.

use core::num::NonZeroU8;

/// The option's number.
pub const KIND: u8 = 34;
/// The number that all experiments share, and the word that tells this one from the others.
pub const EXPERIMENT: u8 = 254;
const MAGIC: [u8; 2] = [0xf9, 0x89];

/// What a server gave a client to show it again: opaque to the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    bytes: [u8; Self::MOST],
    len: NonZeroU8,
}

/// The option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastOpenOption {
    /// `None` asks for one.
    pub cookie: Option<Cookie>,
    /// Under which number it stands.
    pub form: Form,
}

/// Under which number the option stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// IANA's.
    #[default]
    Assigned,
    /// That of the experiment, which some hosts and scripts still use.
    Experimental,
}

impl Cookie {
    /// The shortest, in bytes.
    pub const LEAST: usize = 4;
    /// The longest.
    pub const MOST: usize = 16;

    /// A cookie of these bytes: from 4 to 16, and an even number.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = (Self::LEAST..=Self::MOST).contains(&bytes.len()) && bytes.len().is_multiple_of(2);
        let len = NonZeroU8::new(bytes.len() as u8).filter(|_| fits)?;
        let mut cookie = Self { bytes: [0; Self::MOST], len };
        cookie.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(cookie)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len.get())]
    }
}

impl core::fmt::Debug for Cookie {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl FastOpenOption {
    /// The longest, padding included.
    pub const LONGEST: usize = 20;

    /// Reads what stands behind kind and length; `None` where that is no such option, or must be ignored.
    #[must_use]
    pub fn parse(kind: u8, data: &[u8]) -> Option<Self> {
        let (form, data) = match (kind, data) {
            (KIND, data) => (Form::Assigned, data),
            (EXPERIMENT, [high, low, data @ ..]) if [*high, *low] == MAGIC => (Form::Experimental, data),
            _ => return None,
        };
        match Cookie::new(data) {
            None if !data.is_empty() => None,
            cookie => Some(Self { cookie, form }),
        }
    }

    /// Bytes that it takes with its padding.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bare_len().next_multiple_of(4)
    }

    /// Never.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    fn bare_len(&self) -> usize {
        let magic = match self.form {
            Form::Assigned => 0,
            Form::Experimental => MAGIC.len(),
        };
        2 + magic + self.cookie.map_or(0, |cookie| cookie.bytes().len())
    }

    /// Writes it into the first [`FastOpenOption::len`] bytes of `to`, padded by `nop`s.
    ///
    /// # Panics
    /// If `to` is shorter.
    pub fn write(&self, to: &mut [u8], nop: u8) {
        let (len, bare) = (self.len(), self.bare_len());
        to[..len].fill(nop);
        let at = match self.form {
            Form::Assigned => {
                to[0] = KIND;
                2
            }
            Form::Experimental => {
                to[0] = EXPERIMENT;
                to[2..4].copy_from_slice(&MAGIC);
                4
            }
        };
        to[1] = bare as u8;
        if let Some(cookie) = self.cookie {
            to[at..bare].copy_from_slice(cookie.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7413_4_1_1_a_cookie_has_4_to_16_bytes_and_an_even_number() {
        for len in 0..=40 {
            let fits = [4, 6, 8, 10, 12, 14, 16].contains(&len);
            assert_eq!(Cookie::new(&[7; 40][..len]).is_some(), fits, "{len} bytes");
            assert_eq!(FastOpenOption::parse(KIND, &[7; 40][..len]).is_some(), fits || len == 0, "{len} bytes");
        }
    }

    #[test]
    fn both_forms_come_back_as_they_were_written() {
        for form in [Form::Assigned, Form::Experimental] {
            for len in [0, 4, 6, 8, 10, 12, 14, 16] {
                let bytes: [u8; 16] = core::array::from_fn(|at| at as u8);
                let option = FastOpenOption { cookie: Cookie::new(&bytes[..len]), form };
                let mut written = [0xee; FastOpenOption::LONGEST];
                option.write(&mut written, 1);
                assert!(option.len().is_multiple_of(4) && option.len() <= FastOpenOption::LONGEST);
                let end = usize::from(written[1]);
                assert_eq!(FastOpenOption::parse(written[0], &written[2..end]), Some(option));
                assert!(written[end..option.len()].iter().all(|byte| *byte == 1));
            }
        }
    }

    #[test]
    fn another_experiment_is_none_of_ours() {
        assert_eq!(FastOpenOption::parse(EXPERIMENT, &[0xf9, 0x88, 1, 2, 3, 4]), None);
        assert_eq!(FastOpenOption::parse(EXPERIMENT, &[0xf9]), None);
        assert_eq!(FastOpenOption::parse(33, &[1, 2, 3, 4]), None);
    }
}
