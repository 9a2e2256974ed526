//! `Sum` against RFC 1071 word by word, and the kernels against each other.

use lendwire_nic::sum::kernels;
use lendwire_nic::{Sum, Work};
use proptest::prelude::*;

use crate::memory::{bytes, cases, naive, pattern};

#[test]
fn rfc_1071_section_3_adds_up() {
    assert_eq!(Sum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).value(), 0xddf2);
}

#[test]
fn rfc_1624_section_4_gives_zero() {
    let header = Sum::of_word(!0xdd2f);
    assert_eq!(header.replace(0x5555, 0x3285).checksum(), 0x0000);
}

#[test]
fn replacing_a_word_by_itself_changes_neither_zero() {
    // RFC 1624 erratum 4782.
    for value in [0, 0xffff, 0x1234] {
        for word in [0, 0xffff, 0x5555] {
            assert_eq!(Sum::of_word(value).replace(word, word).value(), value);
        }
    }
}

#[test]
fn both_zeros_are_one_number_but_only_minus_zero_is_sound() {
    assert_eq!(Sum::of_word(0), Sum::of_word(0xffff));
    assert!(Sum::of_word(0xffff).is_sound());
    assert!(!Sum::of_word(0).is_sound());
    assert_ne!(Sum::of(&[0]), Sum::of(&[0, 0]), "their lengths differ in parity");
}

#[test]
fn every_kernel_agrees_at_every_length_and_alignment() {
    let few = cfg!(miri);
    let patterns =
        if few { vec![pattern(300)] } else { vec![pattern(1200), vec![0xff; 1200], vec![0x80; 1200], vec![0; 1200]] };
    let step = if few { 37 } else { 1 };
    for bytes in patterns {
        for start in 0..if few { 2 } else { 33 } {
            for len in (0..300).step_by(step).chain((300..bytes.len() - 33).step_by(7)) {
                let Some(bytes) = bytes.get(start..start + len) else { continue };
                let sum = naive(bytes);
                assert_eq!(Sum::of(bytes).value(), sum, "{len} bytes from {start}");
                for kernel in kernels() {
                    assert_eq!((kernel.sum)(bytes).value(), sum, "{}: {len} bytes from {start}", kernel.name);
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "a third of a million bytes is minutes of interpretation; the shorter runs cover the code")]
fn every_kernel_survives_the_largest_words_in_long_runs() {
    for byte in [0xff, 0x80, 0x7f, 0x00] {
        let bytes = vec![byte; (1 << 18) + 131];
        for len in [1 << 16, 1 << 17, (1 << 17) + 1, (1 << 17) + 97, bytes.len() - 1, bytes.len()] {
            for kernel in kernels() {
                assert_eq!((kernel.sum)(&bytes[..len]).value(), naive(&bytes[..len]), "{}: {len} bytes", kernel.name);
            }
        }
    }
}

#[test]
fn a_copy_on_the_way_is_a_copy() {
    let from = pattern(50_004);
    for start in 0..3 {
        // Up to where vectors begin and beyond, and to where a copy is made in pieces.
        let long = [511, 512, 513, 1460, 16_383, 16_384, 16_385, 32_769, 50_001];
        let lengths = (0..300).step_by(if cfg!(miri) { 41 } else { 1 });
        for len in lengths.chain(long.into_iter().take(if cfg!(miri) { 2 } else { long.len() })) {
            let (from, mut to, mut work) = (&from[start..start + len], vec![0xee; len + 2], Work::default());
            let sum = Sum::of_copied(from, &mut to, &mut work);
            assert_eq!(sum.value(), naive(from), "{len} bytes");
            assert_eq!(sum.is_odd(), len % 2 == 1);
            assert_eq!((&to[..len], &to[len..]), (from, &[0xee; 2][..]));
            assert_eq!(work, Work { copied: len as u64, ..Work::default() });
        }
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn a_copy_does_not_outgrow_its_place() {
    let _ = Sum::of_copied(&[1, 2, 3], &mut [0, 0], &mut Work::default());
}

#[test]
fn payload_that_is_read_is_counted() {
    let mut work = Work::default();
    let _ = Sum::of_payload(b"seven b", &mut work);
    work += Work { verified: 1, ..work };
    assert_eq!(work, Work { summed: 14, verified: 1, copied: 0 });
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_sum_is_the_naive_one(bytes in bytes(3000)) {
        prop_assert_eq!(Sum::of(&bytes).value(), naive(&bytes));
        prop_assert_eq!(Sum::of(&bytes).is_odd(), bytes.len() % 2 == 1);
        prop_assert_eq!(Sum::of(&bytes).checksum(), !naive(&bytes));
    }

    #[test]
    fn sums_concatenate_and_subtract_at_every_split(bytes in bytes(200)) {
        let whole = Sum::of(&bytes);
        for at in 0..=bytes.len() {
            let (front, back) = (Sum::of(&bytes[..at]), Sum::of(&bytes[at..]));
            prop_assert_eq!(front.then(back), whole);
            prop_assert_eq!(whole.without_front(front), back);
            prop_assert_eq!(whole.without_back(back), front);
        }
    }

    #[test]
    fn concatenation_is_associative(a in bytes(9), b in bytes(9), c in bytes(9)) {
        let (a, b, c) = (Sum::of(&a), Sum::of(&b), Sum::of(&c));
        prop_assert_eq!(a.then(b).then(c), a.then(b.then(c)));
        prop_assert_eq!(Sum::ZERO.then(a), a);
        prop_assert_eq!(a.then(Sum::ZERO), a);
    }

    #[test]
    fn replacing_a_word_is_summing_again(mut bytes in bytes(64), place in any::<prop::sample::Index>(), new: u16) {
        prop_assume!(bytes.len() >= 2);
        let before = Sum::of(&bytes);
        let word = &mut bytes.as_chunks_mut::<2>().0;
        let place = place.index(word.len());
        let old = u16::from_be_bytes(word[place]);
        word[place] = new.to_be_bytes();
        prop_assert_eq!(before.replace(old, new), Sum::of(&bytes));
    }

    #[test]
    fn a_run_with_its_checksum_is_sound(mut bytes in bytes(64), place in any::<prop::sample::Index>()) {
        prop_assume!(bytes.len() >= 2);
        // A run of nothing but zeros has no sound form: its pseudo-header never is one (RFC 1071 §1).
        prop_assume!(bytes.iter().any(|&byte| byte != 0));
        let words = bytes.as_chunks::<2>().0.len();
        let place = 2 * place.index(words);
        bytes[place..place + 2].fill(0);
        let checksum = Sum::of(&bytes).checksum();
        bytes[place..place + 2].copy_from_slice(&checksum.to_be_bytes());
        prop_assert!(Sum::of(&bytes).is_sound());
    }
}
