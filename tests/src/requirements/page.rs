//! The documents: a page for each RFC, and an index with the counts.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::evidence::{Evidence, Found};
use super::row::{Row, Strength, Table, Verdict};
use super::rules::Problem;

/// Where the documents are, below the workspace.
const DOCUMENTS: &str = "docs";

/// A document as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its place below the workspace.
    pub path: PathBuf,
    /// What it should say.
    pub text: String,
}

impl Page {
    /// What is wrong if the file says something else.
    pub fn is_stale(&self, root: &Path) -> Option<Problem> {
        let is_right = fs::read_to_string(root.join(&self.path)).is_ok_and(|text| text == self.text);
        (!is_right).then(|| Problem::of(&self.path.to_string_lossy(), "out of date: run `cargo xtask requirements`"))
    }
}

/// The documents that belong to the tables.
pub fn pages(tables: &[Table], evidence: &Evidence) -> Vec<Page> {
    let mut pages: Vec<Page> = tables.iter().map(|table| page(table, evidence)).collect();
    pages.push(index(tables));
    pages
}

fn page(table: &Table, evidence: &Evidence) -> Page {
    let mut text = format!("# RFC {}: {}\n\n", table.rfc, table.title);
    let _ = writeln!(text, "{}\n", made_from(&format!("`{}`", table.file)));
    for sentence in &table.preface {
        let _ = writeln!(text, "{sentence}\n");
    }
    let _ = writeln!(text, "{}", counts(table));
    for group in &table.groups {
        let _ = writeln!(text, "\n## {}\n\n| | § | what is asked | | shown by |\n|---|---|---|---|---|", group.title);
        for row in &group.rows {
            let _ = writeln!(
                text,
                "| {} | [{}]({}) | {} | {} | {} |",
                row.id,
                row.section,
                link_to_section(table.rfc, &row.section),
                row.meaning.replace('|', "\\|"),
                verdict(row).replace('|', "\\|"),
                row.tests.iter().map(|test| link_to_test(test, evidence)).collect::<Vec<_>>().join("<br>"),
            );
        }
    }
    Page { path: Path::new(DOCUMENTS).join(format!("rfc{}.md", table.rfc)), text }
}

fn index(tables: &[Table]) -> Page {
    let mut text = String::from("# What the RFCs ask\n\n");
    let _ = writeln!(text, "{}\n", made_from("`tests/requirements/`"));
    text.push_str(
        "A row is one thing that an RFC asks. **kept**: the stack does it, and the row names a test or script that fails if it does \
         not. **left**: a permission that is not used. **theirs**: asked of somebody else, an application or a router. **waived**: not \
         done, for a reason. **due**: not done yet. A `step` is part of an algorithm, or stands in an RFC without key words.\n\n",
    );
    let _ = writeln!(text, "| RFC | | rows | {} |", Verdict::WORDS.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---:|".repeat(1 + Verdict::WORDS.len()));
    for table in tables {
        let numbers = Verdict::WORDS.map(|word| count(table, None, word).to_string());
        let (rfc, rows) = (table.rfc, table.rows().count());
        let _ = writeln!(text, "| [{rfc}](rfc{rfc}.md) | {} | {rows} | {} |", table.title, numbers.join(" | "));
    }
    Page { path: Path::new(DOCUMENTS).join("rfcs.md"), text }
}

fn made_from(what: &str) -> String {
    format!(
        "*Made from {what} by `cargo xtask requirements`; a test fails when a row has no test, or the page is out of date.*"
    )
}

/// How many rows there are of each strength and verdict.
fn counts(table: &Table) -> String {
    let mut text = format!("| | rows | {} |\n|---|{}\n", Verdict::WORDS.join(" | "), "---:|".repeat(6));
    let mut line = |name: &str, strength: Option<Strength>| {
        let numbers = Verdict::WORDS.map(|word| count(table, strength, word));
        let numbers = [&[numbers.iter().sum()], &numbers[..]].concat();
        if numbers[0] > 0 {
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            let _ = writeln!(text, "| {name} | {} |", numbers.join(" | "));
        }
    };
    for strength in Strength::ALL {
        line(&strength.to_string(), Some(strength));
    }
    line("**all**", None);
    text.truncate(text.trim_end().len());
    text
}

fn count(table: &Table, strength: Option<Strength>, word: &str) -> usize {
    let counts = |row: &&Row| row.verdict.word() == word && strength.is_none_or(|it| it == row.strength);
    table.rows().filter(counts).count()
}

fn verdict(row: &Row) -> String {
    match row.verdict.reason() {
        None => row.verdict.word().to_owned(),
        Some(reason) => format!("**{}**: {reason}", row.verdict.word()),
    }
}

fn link_to_section(rfc: u16, section: &str) -> String {
    let anchor = if section.starts_with(|it: char| it.is_ascii_digit()) { "section" } else { "appendix" };
    format!("https://www.rfc-editor.org/rfc/rfc{rfc}#{anchor}-{section}")
}

fn link_to_test(test: &str, evidence: &Evidence) -> String {
    match evidence.look_up(test) {
        Found::Test(file) | Found::Script(file) | Found::DueScript(file) => {
            format!("[{}](../{file})", test.strip_prefix("scripts/").unwrap_or(test))
        }
        Found::WrongScript | Found::Ignored | Found::Nothing(_) => format!("`{test}`"),
    }
}
