//! What was measured, drawn: one figure for each kind of work, with a bar for everybody who did it.
//!
//! Invariant: the bars of one figure have one scale, and each bar has its number, so that nothing must be read off. Values
//! that lie far apart are drawn by their logarithms, and the figure says so.

use std::fmt::Write as _;

use crate::report::Result;

/// Whose bars have which colour; what is nobody's stack has the last.
const COLOURS: [(&str, &str); 4] =
    [("lendwire", "#2563a8"), ("smoltcp", "#c98a1b"), ("lwip", "#6b8f3c"), ("", "#999999")];

const NAMES: f64 = 270.0;
const BARS: f64 = 430.0;
const BAR: f64 = 13.0;
const GAP: f64 = 7.0;
const TOP: f64 = 52.0;

/// Figures of all results: what each is called, and the SVG.
#[must_use]
pub fn figures(results: &[Result]) -> Vec<(String, String)> {
    let mut groups: Vec<(String, Vec<&Result>)> = Vec::new();
    for result in results {
        let key = key(&result.name);
        match groups.iter_mut().find(|(it, _)| *it == key) {
            Some((_, group)) => group.push(result),
            None => groups.push((key, vec![result])),
        }
    }
    groups.into_iter().map(|(key, group)| (format!("bench-{key}.svg"), figure(&group))).collect()
}

/// The kind of a work: its first word, and of bulk the MTU, too.
fn key(name: &str) -> String {
    let mut words = name.split(' ');
    match (words.next(), words.next()) {
        (Some("bulk"), Some(mtu)) => format!("bulk-{mtu}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}

fn figure(results: &[&Result]) -> String {
    let values = || results.iter().flat_map(|result| result.figures().into_iter().map(|(_, value)| value));
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN_POSITIVE, f64::max));
    let scale =
        if most > 40.0 * least { Scale::Logarithm { least: least / 2.0, most } } else { Scale::Linear { most } };
    let rows: f64 = results.iter().map(|result| result.measured.len() as f64 * BAR + GAP).sum();
    let (width, height) = (NAMES + BARS + 90.0, TOP + rows + 8.0);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">"#
    );
    let _ = writeln!(svg, r#"<rect width="{width}" height="{height}" fill="white"/>"#);
    let metric = results[0].metric;
    let better = if metric.is_more_better() { "more is better" } else { "less is better" };
    let logarithm = if matches!(scale, Scale::Logarithm { .. }) { ", logarithmic" } else { "" };
    let title = format!("{}: {better}{logarithm}", metric.name());
    let _ = writeln!(svg, r#"<text x="10" y="18" font-size="13">{title}</text>"#);
    legend(&mut svg, results);
    let mut y = TOP;
    for result in results {
        let middle = y + result.measured.len() as f64 * BAR / 2.0 + 4.0;
        let _ = writeln!(svg, r#"<text x="{}" y="{middle}" text-anchor="end">{}</text>"#, NAMES - 8.0, result.name);
        for (name, value) in result.figures() {
            let length = scale.length(value);
            let _ = writeln!(
                svg,
                r#"<rect x="{NAMES}" y="{y}" width="{length:.1}" height="{}" fill="{}"/>"#,
                BAR - 2.0,
                colour(name)
            );
            let (x, base) = (NAMES + length + 4.0, y + BAR - 3.0);
            let _ = writeln!(svg, r#"<text x="{x:.1}" y="{base}" font-size="10">{}</text>"#, short(value));
            y += BAR;
        }
        y += GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, results: &[&Result]) {
    let mut x = 10.0;
    for (name, colour) in COLOURS {
        if !name.is_empty() && results.iter().any(|result| result.measured.iter().any(|it| it.name == name)) {
            let _ = writeln!(svg, r#"<rect x="{x}" y="28" width="11" height="11" fill="{colour}"/>"#);
            let _ = writeln!(svg, r#"<text x="{}" y="38">{name}</text>"#, x + 16.0);
            x += 90.0;
        }
    }
}

fn colour(name: &str) -> &'static str {
    let found = COLOURS.iter().find(|(it, _)| *it == name || it.is_empty());
    found.map_or("#999999", |(_, colour)| colour)
}

/// Three digits, or all before the point.
fn short(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// How long a bar is.
#[derive(Clone, Copy)]
enum Scale {
    Linear { most: f64 },
    Logarithm { least: f64, most: f64 },
}

impl Scale {
    fn length(self, value: f64) -> f64 {
        match self {
            Self::Linear { most } => value / most * BARS,
            Self::Logarithm { least, most } => (value / least).ln() / (most / least).ln() * BARS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measured;
    use crate::works::Metric;

    fn result(name: &str, nanoseconds: f64) -> Result {
        let measured = |name| Measured { name, rounds: vec![nanoseconds] };
        let measured = vec![measured("lendwire"), measured("lwip")];
        Result { name: name.into(), metric: Metric::Nanoseconds, goal: None, measured }
    }

    #[test]
    fn there_is_a_figure_for_each_kind_of_work() {
        let results = [result("bulk 1500 64K", 1.0), result("bulk 9000 64K", 1.0), result("bulk 1500 1M", 1.0)];
        let names: Vec<_> = figures(&results).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bench-bulk-1500.svg", "bench-bulk-9000.svg"]);
    }

    #[test]
    fn values_far_apart_are_drawn_by_their_logarithms() {
        let near = figures(&[result("ack 1", 100.0), result("ack 2", 200.0)]).remove(0).1;
        let far = figures(&[result("ack 1", 100.0), result("ack 2", 100_000.0)]).remove(0).1;
        assert!(!near.contains("logarithmic") && far.contains("logarithmic"));
        assert_eq!(near.matches("<rect").count(), 1 + 2 + 4, "a ground, a legend of two, four bars");
    }
}
