//! Where a value stands on the page, and which values are named.

/// Values on a stretch of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) values: [f64; 2],
    pub(super) places: [f64; 2],
}

impl Axis {
    /// Where `value` stands.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ([first, last], [start, end]) = (self.values, self.places);
        start + (value - first) / (last - first) * (end - start)
    }

    /// Round values at distances of 1, 2 or 5 times a power of ten, about `count` of them, and how they are written.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let [first, last] = self.values;
        let step = step_of((last - first) / count as f64);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let begin = (first / step).ceil() as i64;
        let end = ((last + step * 1e-6) / step).floor() as i64;
        (begin..=end)
            .map(|place| {
                let value = place as f64 * step;
                (value, format!("{value:.decimals$}"))
            })
            .collect()
    }
}

fn step_of(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let factor = match rough / power {
        ..=1.0 => 1.0,
        ..=2.0 => 2.0,
        ..=5.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(values: [f64; 2], count: usize) -> Vec<String> {
        Axis { values, places: [0.0, 1.0] }.ticks(count).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(names([0.0, 10.0], 5), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(names([0.03, 0.11], 4), ["0.04", "0.06", "0.08", "0.10"]);
        assert_eq!(names([0.0, 1200.0], 4), ["0", "500", "1000"]);
    }

    #[test]
    fn an_axis_may_grow_upwards() {
        let axis = Axis { values: [0.0, 4.0], places: [200.0, 0.0] };
        assert_eq!((axis.at(0.0), axis.at(1.0), axis.at(4.0)), (200.0, 150.0, 0.0));
    }
}
