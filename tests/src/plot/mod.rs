//! Figures of curves over time, as SVG that is readable on light and dark pages, and small.
//!
//! ```
//! use lendwire_tests::plot::{Curve, Figure, Ink, Marks, Panel};
//!
//! let curve = Curve { name: "height", ink: Ink::Blue, marks: Marks::Line(vec![[0.0, 1.0], [2.0, 3.0]]) };
//! let panel = Panel { label: "metres", height: 200.0, from_zero: true, curves: vec![curve] };
//! let figure = Figure { title: "A hill".into(), label: "kilometres", panels: vec![panel] };
//! assert!(figure.svg().starts_with("<svg"));
//! ```
//!
//! Left out: everything that a report of measurements over time does not need.

mod axis;
mod figure;
mod marks;

pub use self::figure::{Curve, Figure, Panel};
pub use self::marks::{Ink, Marks};
