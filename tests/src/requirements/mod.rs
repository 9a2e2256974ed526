//! What the RFCs ask of TCP, row by row, and the test that shows each row kept.
//!
//! The rows are data in `tests/requirements/`, one file for each RFC; `docs/rfcNNNN.md` and their index `docs/rfcs.md` are
//! made from them by `cargo xtask requirements`. [`check`] says what is wrong: a row that is kept and names no test, a test
//! or script that is not there, an id of RFC 9293 that is missing, a page that is out of date.
//!
//! | file | what it holds |
//! |---|---|
//! | `row` | a row, its verdict, and a file of them |
//! | `parse` | the lines of such a file |
//! | `appendix` | the ids that RFC 9293 gives in its Appendix B |
//! | `evidence` | the tests and scripts that there are |
//! | `rules` | what must hold of a row |
//! | `page` | the documents |
//!
//! Nothing is built or run: the tests are found in their sources.

mod appendix;
mod evidence;
mod page;
mod parse;
mod row;
mod rules;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use evidence::Evidence;
pub use page::{Page, pages};
pub use parse::parse;
pub use row::{Group, Row, Strength, Table, Verdict};
pub use rules::{Problem, problems};

/// Where the rows are, below the workspace.
pub const ROWS: &str = "tests/requirements";

/// The RFCs that have a table, at least.
const RFCS: [u16; 12] = [2018, 2883, 3168, 5681, 5961, 6298, 6675, 7323, 7413, 8985, 9293, 9438];

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// The tables, by number of their RFC.
    pub tables: Vec<Table>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads the rows of the workspace at `root`, and looks for everything that is wrong with them.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn check(root: &Path) -> io::Result<Report> {
    let evidence = Evidence::find(root)?;
    let (tables, mut problems) = read(root)?;
    let missing = RFCS.into_iter().filter(|rfc| tables.iter().all(|table| table.rfc != *rfc));
    problems.extend(missing.map(|rfc| Problem::of(ROWS, format!("there is no table of RFC {rfc}"))));
    problems.extend(tables.iter().flat_map(|table| rules::problems(table, &evidence)));
    problems.extend(pages(&tables, &evidence).iter().filter_map(|page| page.is_stale(root)));
    Ok(Report { tables, problems })
}

/// Writes the documents of the workspace at `root`, and says which changed.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(root: &Path) -> io::Result<Vec<PathBuf>> {
    let evidence = Evidence::find(root)?;
    let (tables, _) = read(root)?;
    let mut changed = Vec::new();
    for page in pages(&tables, &evidence) {
        if page.is_stale(root).is_some() {
            fs::write(root.join(&page.path), &page.text)?;
            changed.push(page.path);
        }
    }
    Ok(changed)
}

/// The tables that can be read, and what is wrong with the lines of the others.
fn read(root: &Path) -> io::Result<(Vec<Table>, Vec<Problem>)> {
    let (mut tables, mut problems) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(root.join(ROWS))? {
        let path = entry?.path();
        let file = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        match parse(&file, &fs::read_to_string(&path)?) {
            Ok(table) => tables.push(table),
            Err(problem) => problems.push(problem),
        }
    }
    tables.sort_by_key(|table| table.rfc);
    Ok((tables, problems))
}
