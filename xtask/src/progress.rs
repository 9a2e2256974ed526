//! Progress that a person watches: a spinner on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One task under way. Dropping it clears the spinner.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    title: String,
    started: Instant,
}

impl Progress {
    /// Starts a task and shows its title.
    pub fn start(title: &str) -> Progress {
        let plain = !stderr().is_terminal();
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style =
            ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {msg}").expect("the template is valid");
        bar.set_style(style);
        bar.set_prefix(title.to_owned());
        if plain {
            eprintln!("{title} ...");
        } else {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Progress { bar, plain, title: title.to_owned(), started: Instant::now() }
    }

    /// Says what the task is at. Shown on a terminal only.
    pub fn at(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// Prints a line that stays, above the spinner.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Whether only plain lines are shown.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Ends the task with one line that stays.
    pub fn done(self) {
        self.bar.finish_and_clear();
        eprintln!("{}: done in {:.1} s", self.title, self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
