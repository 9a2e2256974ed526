//! What was measured: lines for a terminal, and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::measure::Measured;
use crate::works::Metric;

/// A row and its figures.
pub struct Result {
    /// The row's name.
    pub name: String,
    /// In what it is told.
    pub metric: Metric,
    /// How many times as fast as the best peer it ought to be.
    pub goal: Option<f64>,
    /// Ours first.
    pub measured: Vec<Measured>,
}

impl Result {
    /// Who of the peers was the fastest, and how many times as fast ours was.
    #[must_use]
    pub fn against_best(&self) -> Option<(&'static str, f64)> {
        let (ours, peers) = self.measured.split_first()?;
        let best = peers.iter().min_by(|a, b| a.median().total_cmp(&b.median()))?;
        Some((best.name, ours.speed_over(best)))
    }

    /// Who measured what, in the row's metric.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        self.measured.iter().map(|it| (it.name, self.metric.figure(it.median()))).collect()
    }

    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{:<34}", self.name);
        for (name, figure) in self.figures() {
            let _ = write!(line, " {name:>8} {figure:>9.1}");
        }
        let _ = write!(line, " {}", self.metric.name());
        if let Some((name, ratio)) = self.against_best() {
            let _ = write!(line, "  {ratio:.2} x {name}");
            let verdict = match self.goal {
                Some(goal) if ratio < goal => format!(", short of {goal}"),
                Some(_) | None => String::new(),
            };
            line += &verdict;
        }
        line
    }

    fn json(&self) -> Value {
        let figures = self.measured.iter().map(|it| {
            json!({
                "name": it.name,
                "figure": self.metric.figure(it.median()),
                "nanoseconds": it.rounds,
            })
        });
        json!({
            "name": self.name,
            "metric": self.metric.name(),
            "goal": self.goal,
            "best_peer": self.against_best().map(|(name, _)| name),
            "ratio": self.against_best().map(|(_, ratio)| ratio),
            "measured": figures.collect::<Vec<_>>(),
        })
    }
}

/// All rows.
#[must_use]
pub fn json(results: &[Result]) -> String {
    format!("{:#}\n", Value::Array(results.iter().map(Result::json).collect()))
}
