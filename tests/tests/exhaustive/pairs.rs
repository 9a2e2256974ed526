//! Two segments of any kind, one after the other, in any state: a sample, for all would be 10^10.

use lendwire_tests::seeds::Seeds;

use crate::arrivals::{IRS, ISS, follow};
use crate::case::Case;
use crate::world::{Difference, World};

/// Cases of one seed.
const CASES: u64 = 1000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ bits >> 31) % end as u64) as usize
    }
}

#[test]
fn rfc9293_3_10_7_two_segments_of_any_kind_in_any_state() {
    Seeds::new("exhaustive", "pairs::rfc9293_3_10_7_two_segments_of_any_kind_in_any_state", 1, 20).run(|seed| {
        let mut random = Random(seed);
        let mut number = || random.below(1 << 32) as u32;
        // The wrap lies anywhere, and on odd seeds where it matters.
        let (iss, irs) = if seed % 2 == 0 { (number(), number()) } else { (ISS, IRS) };
        let mut world = World::new(iss, None);
        for _ in 0..CASES {
            let first = Case::any(|end| random.below(end));
            let second = Case { situation: first.situation, ..Case::any(|end| random.below(end)) };
            if let Err(difference) = both(&mut world, irs, &first, &second) {
                panic!("{first}, then {second}: {difference}");
            }
        }
    });
}

fn both(world: &mut World, irs: u32, first: &Case, second: &Case) -> Result<(), Difference> {
    first.situation.enter(world, irs)?;
    for case in [first, second] {
        let segment = case.segment(&world.model().tcb);
        world.arrives(&segment)?;
    }
    world.late_acknowledgment()?;
    follow(world).map_err(|difference| format!("afterwards: {difference}"))?;
    world.reads_all()?;
    world.clear()
}
