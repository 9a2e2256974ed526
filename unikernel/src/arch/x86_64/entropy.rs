//! Secret bytes for the stack's keyed hashes.

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step};

use super::timer;

/// Intel asks for ten tries before calling the generator broken (SDM volume 1, §7.3.17.1).
const TRIES: u32 = 10;
/// Each sample of jitter is counted as far less than one bit.
const JITTER_SAMPLES: u32 = 1024;

/// Where the bytes came from; the serial line says so, because the last is weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The processor's seed instruction.
    Rdseed,
    /// The processor's generator.
    Rdrand,
    /// Nothing better: how long the machine takes to do the same thing many times.
    Jitter,
}

/// Sixteen secret bytes from the best source there is.
pub(crate) fn secret() -> ([u8; 16], Source) {
    if let Some(secret) = two_words(seed) {
        return (secret, Source::Rdseed);
    }
    if let Some(secret) = two_words(random) {
        return (secret, Source::Rdrand);
    }
    let secret = two_words(|| Some(jitter())).expect("jitter always gives a word");
    (secret, Source::Jitter)
}

fn two_words(source: impl Fn() -> Option<u64>) -> Option<[u8; 16]> {
    let words = u128::from(source()?) << 64 | u128::from(source()?);
    Some(words.to_ne_bytes())
}

fn seed() -> Option<u64> {
    const RDSEED: u32 = 1 << 18;
    if __cpuid_count(7, 0).ebx & RDSEED == 0 {
        return None;
    }
    let mut word = 0;
    (0..TRIES).find_map(|_| {
        // SAFETY: the processor says it has the instruction.
        let ready = unsafe { _rdseed64_step(&mut word) };
        (ready == 1).then_some(word)
    })
}

fn random() -> Option<u64> {
    const RDRAND: u32 = 1 << 30;
    if __cpuid(1).ecx & RDRAND == 0 {
        return None;
    }
    let mut word = 0;
    (0..TRIES).find_map(|_| {
        // SAFETY: the processor says it has the instruction.
        let ready = unsafe { _rdrand64_step(&mut word) };
        (ready == 1).then_some(word)
    })
}

fn jitter() -> u64 {
    let mut state = 0;
    for _ in 0..JITTER_SAMPLES {
        state = mix(state ^ timer::slow_sample());
    }
    state
}

/// The finalizer of MurmurHash3: every input bit reaches every output bit.
fn mix(mut word: u64) -> u64 {
    word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}
