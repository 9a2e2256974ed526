//! How long frames waited in a queue: a histogram with steps of a sixteenth, so that nothing is kept per frame.

/// Steps for each doubling.
const STEPS: u32 = 16;

/// A histogram of waiting times.
#[derive(Clone, Debug)]
pub struct Delays {
    counts: [u64; 64 * STEPS as usize],
    total: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { counts: [0; 64 * STEPS as usize], total: 0 }
    }
}

impl Delays {
    /// A frame has waited for `nanos` nanoseconds.
    pub(super) fn count(&mut self, nanos: u64) {
        self.counts[place_of(nanos)] += 1;
        self.total += 1;
    }

    /// The time, in nanoseconds, that `percent` of a hundred frames did not exceed; within 1/16.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return start_of(place);
            }
        }
        0
    }
}

fn place_of(nanos: u64) -> usize {
    if nanos < u64::from(STEPS) {
        return nanos as usize;
    }
    let doublings = nanos.ilog2();
    // The bits behind the highest one.
    let step = (nanos >> (doublings - STEPS.ilog2())) as u32 % STEPS;
    (doublings * STEPS + step) as usize
}

fn start_of(place: usize) -> u64 {
    let (doublings, step) = (place as u32 / STEPS, place as u64 % u64::from(STEPS));
    if doublings < STEPS.ilog2() {
        return place as u64;
    }
    (u64::from(STEPS) + step) << (doublings - STEPS.ilog2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_within_a_sixteenth() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(50), 0);
        (0..=1000).for_each(|thousand| delays.count(thousand * 1000));
        let median = delays.percentile(50);
        assert!((470_000..=500_000).contains(&median), "{median}");
        let top = delays.percentile(99);
        assert!((930_000..=990_000).contains(&top), "{top}");
    }
}
