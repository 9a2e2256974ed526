//! The cube root of an integer, by Newton's method.

/// The largest integer whose cube is not above `x`.
pub(super) fn cube_root(x: u128) -> u64 {
    if x == 0 {
        return 0;
    }
    // A power of two that is not below the root: from above, each step comes nearer and none goes past it.
    let mut root = 1u128 << (128 - x.leading_zeros()).div_ceil(3);
    loop {
        let next = (2 * root + x / (root * root)) / 3;
        if next >= root {
            return root as u64;
        }
        root = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cubes_and_their_neighbours_have_exact_roots() {
        for root in (1..=1000u128).chain([65_535, 1 << 20, 4_294_967_295, 1 << 40, 6_981_463_658_331]) {
            let cube = root * root * root;
            assert_eq!(cube_root(cube), root as u64);
            assert_eq!(cube_root(cube - 1), root as u64 - 1);
            assert_eq!(cube_root(cube + 1), root as u64);
        }
        assert_eq!(cube_root(0), 0);
        // The largest root whose cube has 128 bits.
        assert_eq!(cube_root(u128::MAX), 6_981_463_658_331);
    }

    proptest! {
        #[test]
        fn the_root_is_the_largest_whose_cube_fits(x in any::<u128>(), shift in 0u32..128) {
            let x = x >> shift;
            let root = u128::from(cube_root(x));
            prop_assert!(root * root * root <= x);
            let above = (root + 1).checked_pow(3);
            prop_assert!(above.is_none_or(|above| above > x));
        }
    }
}
