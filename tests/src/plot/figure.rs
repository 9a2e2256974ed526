//! A figure: panels above each other over one axis of time, with names, units and a legend.

use std::fmt::Write as _;

use super::axis::Axis;
use super::marks::{Ink, Marks};

/// Pixels, all told and around the panels.
const WIDTH: f64 = 860.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const HEAD: f64 = 34.0;
const LEGEND: f64 = 24.0;
const FOOT: f64 = 44.0;
const GAP: f64 = 14.0;
/// Pixels of a letter, about.
const LETTER: f64 = 6.6;

/// See the module.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Above it all.
    pub title: String,
    /// What the axis across counts.
    pub label: &'static str,
    /// From the top.
    pub panels: Vec<Panel>,
}

/// Curves with one axis upwards.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What the axis upwards counts.
    pub label: &'static str,
    /// In pixels.
    pub height: f64,
    /// Whether that axis begins at zero.
    pub from_zero: bool,
    /// Later ones lie above earlier ones.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Its name in the legend.
    pub name: &'static str,
    /// Its colour.
    pub ink: Ink,
    /// What is drawn.
    pub marks: Marks,
}

impl Figure {
    /// The figure as a file.
    ///
    /// # Panics
    /// If nothing is to be drawn.
    #[must_use]
    pub fn svg(&self) -> String {
        let height = HEAD + FOOT + self.panels.iter().map(|panel| panel.height + LEGEND + GAP).sum::<f64>() - GAP;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\">\n<title>{}</title>\n{}\n",
            escaped(&self.title),
            style(),
        );
        text(&mut out, [LEFT, 20.0], "t", &self.title);
        let across = Axis { values: self.extent(), places: [LEFT, WIDTH - RIGHT] };
        let mut top = HEAD;
        for (place, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut out, &across, top, place);
            top += LEGEND + panel.height + GAP;
        }
        let bottom = top - GAP;
        for (value, name) in across.ticks(10) {
            text(&mut out, [across.at(value), bottom + 16.0], "m", &name);
        }
        text(&mut out, [f64::midpoint(LEFT, WIDTH - RIGHT), bottom + 36.0], "m", self.label);
        out.push_str("</svg>\n");
        out
    }

    fn extent(&self) -> [f64; 2] {
        let curves = self.panels.iter().flat_map(|panel| &panel.curves);
        let extents = curves.filter_map(|curve| curve.marks.extent()).map(|[x, _]| x);
        extents.reduce(union).expect("something is drawn")
    }
}

impl Panel {
    fn draw(&self, out: &mut String, across: &Axis, top: f64, place: usize) {
        self.legend(out, top + 14.0);
        let (top, bottom) = (top + LEGEND, top + LEGEND + self.height);
        let up = Axis { values: self.extent(), places: [bottom, top] };
        let [left, right] = across.places;
        for (value, name) in up.ticks((self.height / 40.0) as usize) {
            let y = up.at(value);
            let _ = writeln!(out, "<path class=\"g\" d=\"M{left} {y:.1}H{right}\"/>");
            text(out, [left - 6.0, y + 4.0], "e", &name);
        }
        for (value, _) in across.ticks(10) {
            let x = across.at(value);
            let _ = writeln!(out, "<path class=\"g\" d=\"M{x:.1} {top}V{bottom}\"/>");
        }
        let _ = writeln!(
            out,
            "<text class=\"m\" transform=\"translate(14 {}) rotate(-90)\">{}</text>",
            f64::midpoint(top, bottom),
            escaped(self.label),
        );
        let (width, height) = (right - left, self.height);
        let _ = writeln!(
            out,
            "<clipPath id=\"p{place}\"><path d=\"M{left} {}h{width}v{}h-{width}z\"/></clipPath>",
            top - 2.0,
            height + 4.0
        );
        let _ = writeln!(out, "<g clip-path=\"url(#p{place})\">");
        for curve in &self.curves {
            let _ = writeln!(out, "<path class=\"{}\" d=\"{}\"/>", curve.ink.class(), curve.marks.path(across, &up));
        }
        let _ = writeln!(out, "</g>\n<path class=\"a\" d=\"M{left} {top}V{bottom}H{right}\"/>");
    }

    fn legend(&self, out: &mut String, y: f64) {
        let mut x = LEFT;
        for curve in &self.curves {
            let class = curve.ink.class();
            let d = match curve.marks {
                Marks::Line(_) | Marks::Steps(_) => format!("M{x:.1} {}h16", y - 4.0),
                Marks::Strokes(_) => format!("M{:.1} {y}v-9", x + 8.0),
                Marks::Crosses(_) => format!("M{:.1} {}l6 6m0 -6l-6 6", x + 5.0, y - 7.0),
                Marks::Diamonds(_) => format!("M{:.1} {}l3 3l-3 3l-3 -3z", x + 8.0, y - 7.0),
            };
            let _ = writeln!(out, "<path class=\"{class}\" d=\"{d}\"/>");
            text(out, [x + 22.0, y], "s", curve.name);
            x += 22.0 + LETTER * curve.name.len() as f64 + 20.0;
        }
    }

    fn extent(&self) -> [f64; 2] {
        let extents = self.curves.iter().filter_map(|curve| curve.marks.extent()).map(|[_, y]| y);
        let [low, high] = extents.reduce(union).unwrap_or([0.0, 1.0]);
        let low = if self.from_zero { low.min(0.0) } else { low };
        let high = if high > low { high } else { low + 1.0 };
        [low, high + (high - low) * 0.04]
    }
}

fn union(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    [one[0].min(other[0]), one[1].max(other[1])]
}

fn text(out: &mut String, [x, y]: [f64; 2], class: &str, text: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Colours by the page's scheme; no background, so that it shows through.
fn style() -> String {
    let inks = |dark: bool| -> String {
        let colour = |(_, class, light, night): (Ink, &str, &'static str, &'static str)| {
            format!(".{class}{{stroke:{}}}", if dark { night } else { light })
        };
        Ink::ALL.map(colour).concat()
    };
    format!(
        "<style>text{{font:12px system-ui,sans-serif;fill:#424a53}}.t{{font-size:15px;font-weight:600}}\
         .m{{text-anchor:middle}}.e{{text-anchor:end}}path{{fill:none;stroke-width:1.4;stroke-linejoin:round}}\
         .g{{stroke:#8b949e;stroke-opacity:.25;stroke-width:1}}.a{{stroke:#8b949e;stroke-width:1}}{}\
         @media(prefers-color-scheme:dark){{text{{fill:#c9d1d9}}{}}}</style>",
        inks(false),
        inks(true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_axes_a_legend_and_escaped_names() {
        let curve = Curve { name: "a<b", ink: Ink::Red, marks: Marks::Line(vec![[0.0, 0.0], [10.0, 5.0]]) };
        let panel = Panel { label: "kB", height: 200.0, from_zero: true, curves: vec![curve] };
        let svg = Figure { title: "Rise & fall".into(), label: "seconds", panels: vec![panel] }.svg();
        for part in ["a&lt;b", "Rise &amp; fall", ">seconds<", ">kB<", ">10<", "class=\"red\"", "prefers-color-scheme"]
        {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }
}
