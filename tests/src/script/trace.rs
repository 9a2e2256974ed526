//! What went over the wire and what was called, for people to read.

/// A time as it is printed: seconds.
pub(super) fn seconds(micros: u64) -> String {
    format!("{:.6}", micros as f64 / 1e6)
}

/// All packets and calls, in order.
#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Vec<String>,
}

impl Trace {
    pub(super) fn add(&mut self, at: u64, line: String) {
        self.lines.push(format!("{:>12}  {line}", seconds(at)));
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
