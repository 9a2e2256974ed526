//! The options of TCP segments (RFC 9293 §3.2, RFC 7323).
//!
//! Invariant: options of a handshake and options of a data segment are different types, so an MSS on a data segment
//! cannot be written down. Left out: SACK, timestamps.

/// What two ends agree on in their SYNs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeOptions {
    /// The largest segment the sender takes, in bytes of data (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// By how many bits its windows are to be shifted (RFC 7323 §2.2).
    pub window_scale: Option<u8>,
}

/// An option whose length cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;

impl HandshakeOptions {
    /// Bytes that both options take, padded.
    pub const LEN: usize = 8;

    /// Reads the options of a SYN; unknown ones are skipped (RFC 9293 MUST-6).
    ///
    /// # Errors
    /// [`BadOption`] where an option's length is illegal (MUST-7).
    pub fn parse(options: &[u8]) -> Result<Self, BadOption> {
        let mut found = Self::default();
        each_option(options, |kind, data| {
            match (kind, data) {
                (MSS, [high, low]) => found.mss = Some(u16::from_be_bytes([*high, *low])),
                // RFC 7323 §2.3: a shift above 14 is taken as 14.
                (WINDOW_SCALE, [shift]) => found.window_scale = Some((*shift).min(14)),
                (MSS | WINDOW_SCALE, _) => return Err(BadOption),
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Bytes that [`HandshakeOptions::write`] fills: a multiple of 4.
    #[must_use]
    pub const fn len(&self) -> usize {
        4 * (self.mss.is_some() as usize + self.window_scale.is_some() as usize)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the options into the first [`HandshakeOptions::len`] bytes of `to`.
    ///
    /// # Panics
    /// If `to` is shorter.
    pub fn write(&self, to: &mut [u8]) {
        let mut at = 0;
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            to[..4].copy_from_slice(&[MSS, 4, high, low]);
            at = 4;
        }
        if let Some(shift) = self.window_scale {
            to[at..at + 4].copy_from_slice(&[NOP, WINDOW_SCALE, 3, shift]);
        }
    }
}

/// Walks the options of a data segment, which carry nothing that is spoken here yet.
///
/// # Errors
/// [`BadOption`] where an option's length is illegal (RFC 9293 MUST-7).
pub fn check_options(options: &[u8]) -> Result<(), BadOption> {
    each_option(options, |_, _| Ok(()))
}

fn each_option(mut options: &[u8], mut found: impl FnMut(u8, &[u8]) -> Result<(), BadOption>) -> Result<(), BadOption> {
    while let [kind, rest @ ..] = options {
        match *kind {
            END => return Ok(()),
            NOP => options = rest,
            kind => {
                // RFC 9293 §3.2: the length counts kind and length, so it is at least 2.
                let len = usize::from(*rest.first().ok_or(BadOption)?).checked_sub(2).ok_or(BadOption)?;
                let data = rest.get(1..1 + len).ok_or(BadOption)?;
                found(kind, data)?;
                options = &rest[1 + len..];
            }
        }
    }
    Ok(())
}
