//! Which frames a path loses, from a seed alone.

/// A generator of numbers (splitmix64): small, fast, and the same everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of probability `share` happens. What cannot happen draws no number.
    pub fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.fraction() < share
    }
}

/// How a link loses frames beside its queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// It does not.
    None,
    /// Each frame by itself, with this probability.
    Independent(f64),
    /// In bursts (Gilbert and Elliott): in the bad state every frame is lost.
    Bursts {
        /// Probability that a frame finds the link turned bad.
        begin: f64,
        /// Probability that a frame finds it good again.
        end: f64,
    },
    /// The frames with payload of these places, counted from 0: for a run that is to show one loss.
    Exactly(&'static [u64]),
}

impl Loss {
    /// The share of frames that is lost in the long run.
    #[must_use]
    pub fn share(self) -> f64 {
        match self {
            Self::None | Self::Exactly(_) => 0.0,
            Self::Independent(share) => share,
            Self::Bursts { begin, end } => begin / (begin + end),
        }
    }
}

/// The state of a [`Loss`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Losing {
    loss: Loss,
    is_bad: bool,
    frames: u64,
}

impl Losing {
    pub(super) const fn new(loss: Loss) -> Self {
        Self { loss, is_bad: false, frames: 0 }
    }

    /// Whether the next frame is lost.
    pub(super) fn takes(&mut self, has_payload: bool, random: &mut Random) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Independent(share) => random.happens(share),
            Loss::Bursts { begin, end } => {
                self.is_bad = if self.is_bad { !random.happens(end) } else { random.happens(begin) };
                self.is_bad
            }
            Loss::Exactly(places) => {
                let place = self.frames;
                self.frames += u64::from(has_payload);
                has_payload && places.contains(&place)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(loss: Loss) -> f64 {
        let (mut losing, mut random) = (Losing::new(loss), Random::new(1));
        let lost = (0..200_000).filter(|_| losing.takes(true, &mut random)).count();
        lost as f64 / 200_000.0
    }

    #[test]
    fn each_kind_of_loss_takes_its_share() {
        assert_eq!(share_of(Loss::None), 0.0);
        assert!((share_of(Loss::Independent(0.03)) - 0.03).abs() < 0.002);
        let bursts = Loss::Bursts { begin: 0.005, end: 0.25 };
        assert!((share_of(bursts) - bursts.share()).abs() < 0.002);
        assert_eq!(share_of(Loss::Exactly(&[3, 77])), 2.0 / 200_000.0);
    }
}
