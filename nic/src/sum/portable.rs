//! The checksum kernel for any target: a register at a step, carries chained by add-with-carry.
//!
//! Invariant: a total is kept with its carry brought back in at the bottom, which is addition modulo an all-ones
//! value; 0xffff divides that, so folding at the end loses nothing (RFC 1071 §2 B).

use super::pieces::Pieces;

/// Bytes of a register.
const WORD: usize = size_of::<usize>();

/// The sum of all `bytes` in the machine's byte order, not folded.
#[inline(always)]
pub(super) fn total<'a>(mut bytes: impl Pieces<'a>) -> u64 {
    // Two totals: an add with carry waits for the one before it, so one chain alone would add one register a cycle.
    let (mut even, mut odd) = (0, 0);
    while let Some(block) = bytes.next::<128>() {
        let (front, back) = block.split_at(64);
        even = chain(even, front);
        odd = chain(odd, back);
    }
    if let Some(block) = bytes.next::<64>() {
        let (front, back) = block.split_at(32);
        even = chain(even, front);
        odd = chain(odd, back);
    }
    if let Some(piece) = bytes.next::<32>() {
        even = chain(even, piece);
    }
    if let Some(piece) = bytes.next::<16>() {
        odd = chain(odd, piece);
    }
    if let Some(piece) = bytes.next::<8>() {
        even = chain(even, piece);
    }
    add(add(even as u64, odd as u64), short(bytes))
}

/// A total in the machine's byte order to one big-endian word (RFC 1071 §2 B: the sum does not care for byte order).
#[inline]
pub(super) fn fold(total: u64) -> u16 {
    // Adding the halves to each other in both orders leaves their sum, its carry brought in, in the upper one.
    let total = (total.wrapping_add(total.rotate_left(32)) >> 32) as u32;
    let total = (total.wrapping_add(total.rotate_left(16)) >> 16) as u16;
    u16::from_be(total)
}

/// `a` plus `b`, the carry brought back in at the bottom.
#[inline]
pub(super) fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u64::from(carry)
}

/// `total` plus whole registers of `bytes`: each carry goes into the next, and the last comes back in at the bottom.
#[inline]
fn chain(mut total: usize, bytes: &[u8]) -> usize {
    let mut carry = false;
    for word in bytes.as_chunks::<WORD>().0 {
        (total, carry) = add_with_carry(total, usize::from_ne_bytes(*word), carry);
    }
    // Cannot overflow: a sum that carried is at most the all-ones value less one.
    total + usize::from(carry)
}

/// The instruction by name: of carries in plain arithmetic the compiler makes vectors where a processor has AVX-512,
/// and they are slow. In GB/s, this against those: 69 to 12 at 512 bytes, 66 to 9 at 1460.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn add_with_carry(a: usize, b: usize, carry: bool) -> (usize, bool) {
    let mut sum = 0;
    let carry = core::arch::x86_64::_addcarry_u64(carry.into(), a as u64, b as u64, &mut sum);
    (sum as usize, carry != 0)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn add_with_carry(a: usize, b: usize, carry: bool) -> (usize, bool) {
    a.carrying_add(b, carry)
}

/// The sum of fewer than eight bytes. Each piece begins at an even place, so its words may be added anywhere.
#[inline]
fn short<'a>(mut bytes: impl Pieces<'a>) -> u64 {
    let mut total = 0;
    if let Some(four) = bytes.next() {
        total += u64::from(u32::from_ne_bytes(*four));
    }
    if let Some(two) = bytes.next() {
        total += u64::from(u16::from_ne_bytes(*two));
    }
    if let Some([last]) = bytes.next() {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}
