//! How values are drawn, and with which ink.
//!
//! Invariant: all marks of a curve are one path, with a tenth of a pixel and relative moves; of a line no more is kept
//! than each half pixel can show.

use std::fmt::Write as _;

use super::axis::Axis;

/// A colour that shows on light and dark pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The first thing to look at.
    Blue,
    /// What it is compared with.
    Orange,
    /// What the other side says.
    Green,
    /// What went wrong.
    Red,
    /// What is said beside it.
    Purple,
    /// What bounds it.
    Gray,
}

impl Ink {
    /// All of them, with what they are on light and on dark pages.
    pub(super) const ALL: [(Self, &str, &str, &str); 6] = [
        (Self::Blue, "blue", "#1f6feb", "#58a6ff"),
        (Self::Orange, "orange", "#bc5b00", "#f0a04b"),
        (Self::Green, "green", "#1a7f37", "#3fb950"),
        (Self::Red, "red", "#cf222e", "#ff7b72"),
        (Self::Purple, "purple", "#8250df", "#bc8cff"),
        (Self::Gray, "gray", "#6e7781", "#9aa4ae"),
    ];

    pub(super) fn class(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What is drawn: `[x, y]`, or `[x, from, to]`.
#[derive(Clone, Debug)]
pub enum Marks {
    /// A line through the points.
    Line(Vec<[f64; 2]>),
    /// A line that keeps its height until the next point.
    Steps(Vec<[f64; 2]>),
    /// Upright strokes.
    Strokes(Vec<[f64; 3]>),
    /// Small crosses.
    Crosses(Vec<[f64; 2]>),
    /// Small diamonds.
    Diamonds(Vec<[f64; 2]>),
}

impl Marks {
    /// The extent of x and y.
    pub(super) fn extent(&self) -> Option<[[f64; 2]; 2]> {
        let strokes = |strokes: &[[f64; 3]]| {
            let ends = strokes.iter().flat_map(|[x, from, to]| [[*x, *from], [*x, *to]]);
            ends.fold(None, widen)
        };
        match self {
            Self::Line(points) | Self::Steps(points) | Self::Crosses(points) | Self::Diamonds(points) => {
                points.iter().copied().fold(None, widen)
            }
            Self::Strokes(all) => strokes(all),
        }
    }

    /// The `d` of a path.
    pub(super) fn path(&self, x: &Axis, y: &Axis) -> String {
        let place = |point: &[f64; 2]| [tenth(x.at(point[0])), tenth(y.at(point[1]))];
        let mut pen = Pen::default();
        match self {
            Self::Line(points) => pen.line(&thinned(points.iter().map(place))),
            Self::Steps(points) => pen.line(&thinned(cornered(points.iter().map(place)))),
            Self::Strokes(strokes) => {
                for [at, from, to] in strokes {
                    let ([x, start], end) = (place(&[*at, *from]), tenth(y.at(*to)));
                    // Less than a pixel would not be seen.
                    pen.stroke([x, start], [0, if end - start > -10 { -10 } else { end - start }]);
                }
            }
            Self::Crosses(points) => {
                for [x, y] in points.iter().map(place) {
                    pen.stroke([x - 30, y - 30], [60, 60]);
                    pen.stroke([x - 30, y + 30], [60, -60]);
                }
            }
            Self::Diamonds(points) => {
                for [x, y] in points.iter().map(place) {
                    pen.go('m', [x, y - 30]);
                    pen.d.push_str("l3 3l-3 3l-3 -3z");
                }
            }
        }
        pen.d
    }
}

fn widen(extent: Option<[[f64; 2]; 2]>, [x, y]: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let [[left, right], [low, high]] = extent.unwrap_or([[x, x], [y, y]]);
    Some([[left.min(x), right.max(x)], [low.min(y), high.max(y)]])
}

/// Tenths of a pixel.
fn tenth(place: f64) -> i32 {
    (place * 10.0).round() as i32
}

/// A corner between two points of different height.
fn cornered(points: impl Iterator<Item = [i32; 2]>) -> impl Iterator<Item = [i32; 2]> {
    let mut last: Option<i32> = None;
    points.flat_map(move |[x, y]| {
        let corner = last.replace(y).filter(|before| *before != y).map(|before| [x, before]);
        corner.into_iter().chain([[x, y]])
    })
}

/// Of each half pixel the first, the lowest, the highest and the last point; of a straight run its ends.
fn thinned(points: impl Iterator<Item = [i32; 2]>) -> Vec<[i32; 2]> {
    let mut kept: Vec<[i32; 2]> = Vec::new();
    let mut column: Vec<[i32; 2]> = Vec::new();
    let mut settle = |column: &mut Vec<[i32; 2]>| {
        let extremes = [
            Some(0),
            (0..column.len()).min_by_key(|place| column[*place][1]),
            (0..column.len()).max_by_key(|place| column[*place][1]),
            column.len().checked_sub(1),
        ];
        let mut places: Vec<_> = extremes.into_iter().flatten().filter(|place| *place < column.len()).collect();
        places.sort_unstable();
        places.dedup();
        for point in places.into_iter().map(|place| column[place]) {
            match kept[..] {
                [.., before, last] if before[1] == last[1] && last[1] == point[1] => {
                    *kept.last_mut().expect("there are two") = point;
                }
                _ => kept.push(point),
            }
        }
        column.clear();
    };
    for point in points {
        if column.first().is_some_and(|first| first[0] / 5 != point[0] / 5) {
            settle(&mut column);
        }
        column.push(point);
    }
    settle(&mut column);
    kept
}

/// Writes a path with relative moves.
#[derive(Default)]
struct Pen {
    d: String,
    at: [i32; 2],
}

impl Pen {
    fn line(&mut self, points: &[[i32; 2]]) {
        for (place, point) in points.iter().enumerate() {
            self.go(if place == 0 { 'm' } else { 'l' }, *point);
        }
    }

    fn stroke(&mut self, from: [i32; 2], by: [i32; 2]) {
        self.go('m', from);
        self.go('l', [from[0] + by[0], from[1] + by[1]]);
    }

    fn go(&mut self, how: char, to: [i32; 2]) {
        let by = [to[0] - self.at[0], to[1] - self.at[1]];
        self.at = to;
        match (how, by) {
            ('l', [0, 0]) => {}
            ('l', [0, y]) => write!(self.d, "v{}", Tenths(y)).expect("a string takes all"),
            ('l', [x, 0]) => write!(self.d, "h{}", Tenths(x)).expect("a string takes all"),
            (_, [x, y]) => write!(self.d, "{how}{} {}", Tenths(x), Tenths(y)).expect("a string takes all"),
        }
    }
}

/// Tenths of a pixel as a number, without what needs not be said.
struct Tenths(i32);

impl std::fmt::Display for Tenths {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, whole, rest) = (if self.0 < 0 { "-" } else { "" }, self.0.abs() / 10, self.0.abs() % 10);
        match (whole, rest) {
            (_, 0) => write!(out, "{sign}{whole}"),
            (0, _) => write!(out, "{sign}.{rest}"),
            _ => write!(out, "{sign}{whole}.{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACROSS: Axis = Axis { values: [0.0, 10.0], places: [0.0, 100.0] };
    const UP: Axis = Axis { values: [0.0, 10.0], places: [100.0, 0.0] };

    #[test]
    fn a_line_moves_relatively_and_a_step_turns_corners() {
        let points = vec![[0.0, 0.0], [1.0, 1.0], [2.05, 1.0]];
        assert_eq!(Marks::Line(points.clone()).path(&ACROSS, &UP), "m0 100l10 -10h10.5");
        assert_eq!(Marks::Steps(points).path(&ACROSS, &UP), "m0 100h10v-10h10.5");
    }

    #[test]
    fn of_many_points_in_a_pixel_the_extremes_stay() {
        let many = (0..1000).map(|n| [5.0 + f64::from(n) * 1e-5, f64::from(n * 7 % 100) / 10.0]).collect();
        let drawn = Marks::Line(many).path(&ACROSS, &UP);
        assert!(drawn.len() < 40, "{drawn}");
        assert!(drawn.contains("v-99") || drawn.contains("-99"), "{drawn}");
    }

    #[test]
    fn a_stroke_is_never_too_short_to_be_seen() {
        assert_eq!(Marks::Strokes(vec![[1.0, 2.0, 2.0], [1.0, 2.0, 4.0]]).path(&ACROSS, &UP), "m10 80v-1m0 1v-20");
    }
}
