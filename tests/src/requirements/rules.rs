//! What must hold of the rows, and what is said where it does not.

use std::collections::BTreeMap;
use std::fmt;

use super::appendix;
use super::evidence::{Evidence, Found};
use super::row::{Row, Strength, Table, Verdict};

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, below the workspace, and the line if there is one.
    pub place: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Problem {
    pub(super) fn at(file: &str, line: usize, what: impl Into<String>) -> Problem {
        Problem { place: format!("{file}:{line}"), what: what.into() }
    }

    pub(super) fn of(file: &str, what: impl Into<String>) -> Problem {
        Problem { place: file.to_owned(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What is wrong with a table.
pub fn problems(table: &Table, evidence: &Evidence) -> Vec<Problem> {
    let mut found = Vec::new();
    if table.file != format!("{}/rfc{}.txt", super::ROWS, table.rfc) {
        found.push(Problem::of(&table.file, format!("the rows of RFC {} belong into rfc{}.txt", table.rfc, table.rfc)));
    }
    for row in table.rows() {
        let wrong = of_verdict(table.rfc, row).into_iter().chain(of_tests(row, evidence));
        found.extend(
            wrong.map(|what| Problem::at(&table.file, row.line, format!("{} §{}: {what}", row.id, row.section))),
        );
    }
    found.extend(of_ids(table));
    found
}

fn of_verdict(rfc: u16, row: &Row) -> Option<String> {
    let is_numbered = rfc == appendix::RFC;
    match row.verdict {
        Verdict::Kept if row.tests.is_empty() => Some("it is kept, and no test shows it".into()),
        Verdict::Left(_) if row.strength != Strength::May => Some("only a MAY can be left".into()),
        Verdict::Waived(_) if is_numbered && !appendix::MAY_BE_WAIVED.contains(&&*row.id) => {
            Some("only source routes may be waived: what is not built is due".into())
        }
        Verdict::Theirs(_) if is_numbered && !appendix::OF_APPLICATIONS.contains(&&*row.id) => {
            Some("this is not asked of applications".into())
        }
        Verdict::Kept | Verdict::Left(_) | Verdict::Theirs(_) | Verdict::Waived(_) | Verdict::Due(_) => None,
    }
}

fn of_tests(row: &Row, evidence: &Evidence) -> Vec<String> {
    let wrong = |test: &String| match evidence.look_up(test) {
        Found::Test(_) | Found::Script(_) => None,
        Found::DueScript(_) if row.verdict != Verdict::Kept => None,
        Found::DueScript(_) => Some(format!("the stack still fails {test}")),
        Found::WrongScript => Some(format!("{test} is made to fail and shows nothing")),
        Found::Ignored => Some(format!("{test} is ignored and shows nothing")),
        Found::Nothing(None) => Some(format!("there is no {test}")),
        Found::Nothing(Some(like)) => Some(format!("there is no {test}; is it {like}?")),
    };
    let mut found: Vec<String> = row.tests.iter().filter_map(wrong).collect();
    let repeated = (1..row.tests.len()).find(|&at| row.tests[..at].contains(&row.tests[at]));
    found.extend(repeated.map(|at| format!("{} is named twice", row.tests[at])));
    found
}

/// RFC 9293's ids stand exactly once; no other RFC has any.
fn of_ids(table: &Table) -> Vec<Problem> {
    if table.rfc != appendix::RFC {
        let numbered = table.rows().filter(|row| row.id.contains('-'));
        return numbered.map(|row| Problem::at(&table.file, row.line, format!("{} is RFC 9293's", row.id))).collect();
    }
    let mut places: BTreeMap<String, Vec<usize>> = appendix::ids().map(|id| (id, Vec::new())).collect();
    let mut found = Vec::new();
    for row in table.rows() {
        match places.get_mut(&row.id) {
            Some(lines) => lines.push(row.line),
            None => found.push(Problem::at(&table.file, row.line, format!("Appendix B has no {}", row.id))),
        }
    }
    for (id, lines) in places {
        match lines[..] {
            [] => found.push(Problem::of(&table.file, format!("{id} is missing"))),
            [_] => {}
            [first, second, ..] => {
                found.push(Problem::at(&table.file, second, format!("{id} is in line {first} already")));
            }
        }
    }
    found
}
