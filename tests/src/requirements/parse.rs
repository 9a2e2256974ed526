//! The lines of a file of rows.
//!
//! ```text
//! RFC 9293: Transmission Control Protocol (TCP)
//! > A sentence for the reader of the page.
//! # A comment.
//!
//! == PUSH flag
//!
//! MUST-61 3.9.1.2: The last segment of what is queued carries PSH.
//!     kept
//!     rfc9293::sending::must_60_the_last_segment_of_what_was_written_is_pushed
//!     scripts/rfc9293/3.7-push.pkt
//! ```
//!
//! The first line below a row is its verdict, a word and, after a colon, the reason; the others name what shows it.

use super::row::{Group, Row, Strength, Table, Verdict};
use super::rules::Problem;

/// Reads the rows in `text`, which is what `file` holds.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(file: &str, text: &str) -> Result<Table, Problem> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (first, title) = lines.next().unwrap_or((1, ""));
    let mut table =
        head(file, title).ok_or_else(|| Problem::at(file, first, "the first line is not `RFC n: title`"))?;
    for (number, line) in lines {
        take(&mut table, number, line).map_err(|what| Problem::at(file, number, what))?;
    }
    let unjudged = table.rows().find(|row| row.verdict == Verdict::Due(String::new())).map(|row| row.line);
    match unjudged {
        Some(line) => Err(Problem::at(file, line, "the row has no verdict")),
        None => Ok(table),
    }
}

fn head(file: &str, line: &str) -> Option<Table> {
    let (rfc, title) = line.strip_prefix("RFC ")?.split_once(": ")?;
    let rfc = rfc.parse().ok()?;
    Some(Table { file: file.to_owned(), rfc, title: title.to_owned(), preface: Vec::new(), groups: Vec::new() })
}

fn take(table: &mut Table, number: usize, line: &str) -> Result<(), &'static str> {
    if let Some(sentence) = line.strip_prefix("> ") {
        table.preface.push(sentence.to_owned());
        return Ok(());
    }
    if let Some(title) = line.strip_prefix("== ") {
        table.groups.push(Group { title: title.to_owned(), rows: Vec::new() });
        return Ok(());
    }
    let group = table.groups.last_mut().ok_or("a row stands before the first `== heading`")?;
    let Some(detail) = line.strip_prefix("    ") else {
        let row = row(number, line).ok_or("this is no row: `MUST-1 3.1: meaning` or `SHOULD 3.1: meaning`")?;
        group.rows.push(row);
        return Ok(());
    };
    let row = group.rows.last_mut().ok_or("this line belongs to no row")?;
    // A due row without a reason stands for one whose verdict is still to come; `verdict` lets none through.
    if row.verdict == Verdict::Due(String::new()) {
        row.verdict = verdict(detail)?;
    } else {
        row.tests.push(detail.trim().to_owned());
    }
    Ok(())
}

fn row(number: usize, line: &str) -> Option<Row> {
    let (name, meaning) = line.split_once(": ")?;
    let (id, section) = name.split_once(' ')?;
    let strength = Strength::of(id)?;
    let is_section = |section: &str| {
        let mut parts = section.split('.');
        let first = parts.next().unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(first) || (first.len() == 1 && first.as_bytes()[0].is_ascii_uppercase())) && parts.all(is_number)
    };
    is_section(section).then(|| Row {
        line: number,
        id: id.to_owned(),
        strength,
        section: section.to_owned(),
        meaning: meaning.trim().to_owned(),
        verdict: Verdict::Due(String::new()),
        tests: Vec::new(),
    })
}

fn verdict(detail: &str) -> Result<Verdict, &'static str> {
    let (word, reason) = detail.split_once(':').unwrap_or((detail, ""));
    let verdict = Verdict::of(word.trim(), reason.trim());
    let verdict =
        verdict.ok_or("the verdict is none of `kept`, `left: why`, `theirs: why`, `waived: why`, `due: why`")?;
    match verdict.reason() {
        Some("") => Err("this verdict needs a reason"),
        Some(_) => Ok(verdict),
        None if reason.is_empty() => Ok(verdict),
        None => Err("a row that is kept is shown by tests, not by words"),
    }
}
