//! What was measured, as a table and as JSON.

use serde_json::{Value, json};

use super::works::Work;

/// What one work cost one guest, for each round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figure {
    pub(super) rounds: Vec<f64>,
    /// How many were done in a second, where that says something.
    pub(super) rate: Option<f64>,
}

/// One work with both guests' figures.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) work: Work,
    pub(super) linux: Option<Figure>,
    pub(super) lendwire: Option<Figure>,
}

impl Figure {
    /// The middle one of the rounds.
    pub(super) fn median(&self) -> Option<f64> {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied()
    }
}

impl Row {
    fn medians(&self) -> [Option<f64>; 2] {
        [&self.linux, &self.lendwire].map(|figure| figure.as_ref().and_then(Figure::median))
    }

    /// Whether ours costs more than was asked; `None` where nothing is known.
    pub(super) fn misses(&self) -> Option<bool> {
        let [_, lendwire] = self.medians();
        Some(lendwire? > self.work.asked?)
    }
}

/// For people: a table in Markdown, and which figures miss what is asked.
pub(super) fn text(rows: &[Row]) -> String {
    let mut lines = vec![
        "| work | unit | Linux | Lendwire | Linux / Lendwire | asked |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for row in rows {
        let [linux, lendwire] = row.medians();
        let ratio = linux.zip(lendwire).map(|(linux, lendwire)| linux / lendwire);
        let cells = [linux, lendwire, ratio].map(|value| value.map_or_else(String::new, shown));
        let asked = row.work.asked.map_or_else(String::new, shown);
        let verdict = if row.misses() == Some(true) { ", missed" } else { "" };
        let [linux, lendwire, ratio] = cells;
        lines.push(format!(
            "| {} | {} | {linux} | {lendwire} | {ratio} | {asked}{verdict} |",
            row.work.name, row.work.unit
        ));
    }
    lines.join("\n")
}

/// For programs: every round.
pub(super) fn json(rows: &[Row], idle: [Option<f64>; 2]) -> Value {
    let figure = |figure: &Option<Figure>| match figure {
        None => Value::Null,
        Some(figure) => json!({ "median": figure.median(), "rounds": figure.rounds, "a_second": figure.rate }),
    };
    let rows = rows.iter().map(|row| {
        json!({
            "work": row.work.name,
            "unit": row.work.unit,
            "asked": row.work.asked,
            "linux": figure(&row.linux),
            "lendwire": figure(&row.lendwire),
        })
    });
    json!({
        "idle_instructions_a_second": { "linux": idle[0], "lendwire": idle[1] },
        "works": rows.collect::<Vec<_>>(),
    })
}

/// Three digits that count, and thousands apart.
pub(super) fn shown(value: f64) -> String {
    if value < 1.0 {
        return format!("{value:.3}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::works::WORKS;
    use super::*;

    fn figure(rounds: &[f64]) -> Option<Figure> {
        Some(Figure { rounds: rounds.to_vec(), rate: None })
    }

    #[test]
    fn the_middle_round_counts() {
        assert_eq!(figure(&[9.0, 1.0, 5.0]).expect("a figure").median(), Some(5.0));
        assert_eq!(Figure::default().median(), None);
    }

    #[test]
    fn a_figure_that_misses_says_so() {
        let row = |lendwire| Row { work: WORKS[4], linux: figure(&[20_000.0]), lendwire };
        let text = text(&[row(figure(&[2_500.0])), row(figure(&[4_000.0])), row(None)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].ends_with("| 20,000 | 2,500 | 8.0 | 2,500 |"), "{text}");
        assert!(lines[3].ends_with("| 20,000 | 4,000 | 5.0 | 2,500, missed |"), "{text}");
        assert!(lines[4].ends_with("| 20,000 |  |  | 2,500 |"), "{text}");
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        let shown: Vec<String> = [0.0521, 3.44, 99.96, 178_000.4, 1_234_567.0].into_iter().map(shown).collect();
        assert_eq!(shown, ["0.052", "3.4", "100.0", "178,000", "1,234,567"]);
    }

    #[test]
    fn programs_get_every_round() {
        let value = json(&[Row { work: WORKS[4], linux: None, lendwire: figure(&[1.0, 2.0, 3.0]) }], [Some(7.0), None]);
        assert_eq!(value["works"][0]["lendwire"]["rounds"], json!([1.0, 2.0, 3.0]));
        assert_eq!(value["works"][0]["lendwire"]["median"], json!(2.0));
        assert_eq!(value["works"][0]["linux"], Value::Null);
        assert_eq!(value["idle_instructions_a_second"]["linux"], json!(7.0));
    }
}
