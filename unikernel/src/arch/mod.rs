//! The machine under the image: one folder an architecture, all with the same face.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub(crate) use self::x86_64::*;
