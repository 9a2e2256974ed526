//! A row: what an RFC asks, in our words, what became of it, and what shows that.

use std::fmt;

/// The rows of one RFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The file they are in, below the workspace.
    pub file: String,
    /// The number of the RFC.
    pub rfc: u16,
    /// Its title.
    pub title: String,
    /// What a reader should know before the rows.
    pub preface: Vec<String>,
    /// The rows under their headings.
    pub groups: Vec<Group>,
}

impl Table {
    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}

/// Rows that stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are about.
    pub title: String,
    /// The rows.
    pub rows: Vec<Row>,
}

/// One thing that an RFC asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line that it begins in, from 1.
    pub line: usize,
    /// The RFC's own name of it, such as `MUST-14`. Without one: how strongly it is asked.
    pub id: String,
    /// How strongly it is asked.
    pub strength: Strength,
    /// The section, such as `3.8.6.2.1`.
    pub section: String,
    /// What is asked.
    pub meaning: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What shows it: `target::module::test` or `scripts/folder/name.pkt`.
    pub tests: Vec<String>,
}

/// How strongly something is asked. What an RFC forbids is as strong as what it demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// MUST, MUST NOT, SHALL, REQUIRED.
    Must,
    /// SHOULD, SHOULD NOT, RECOMMENDED.
    Should,
    /// MAY, OPTIONAL.
    May,
    /// A step of an algorithm, or a sentence of an RFC that uses no key words.
    Step,
}

impl Strength {
    /// All of them, the strongest first.
    pub const ALL: [Strength; 4] = [Strength::Must, Strength::Should, Strength::May, Strength::Step];

    /// What a row's first word says, with or without a number.
    pub fn of(id: &str) -> Option<Strength> {
        match id.split('-').next()? {
            "MUST" => Some(Strength::Must),
            "SHOULD" | "SHLD" | "REC" => Some(Strength::Should),
            "MAY" => Some(Strength::May),
            "STEP" => Some(Strength::Step),
            _ => None,
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Strength::Must => "MUST",
            Strength::Should => "SHOULD",
            Strength::May => "MAY",
            Strength::Step => "step",
        })
    }
}

/// What became of a row. All but the first say why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stack does it, and tests show it.
    Kept,
    /// A permission that is not used.
    Left(String),
    /// It is asked of somebody else: an application, a router.
    Theirs(String),
    /// It is not done, and will not be.
    Waived(String),
    /// It is not done yet.
    Due(String),
}

impl Verdict {
    /// The words for all of them, in the order in which they are counted.
    pub const WORDS: [&str; 5] = ["kept", "left", "theirs", "waived", "due"];

    /// The verdict that a word and a reason say.
    pub fn of(word: &str, reason: &str) -> Option<Verdict> {
        let reason = reason.to_owned();
        match word {
            "kept" => Some(Verdict::Kept),
            "left" => Some(Verdict::Left(reason)),
            "theirs" => Some(Verdict::Theirs(reason)),
            "waived" => Some(Verdict::Waived(reason)),
            "due" => Some(Verdict::Due(reason)),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Kept => "kept",
            Verdict::Left(_) => "left",
            Verdict::Theirs(_) => "theirs",
            Verdict::Waived(_) => "waived",
            Verdict::Due(_) => "due",
        }
    }

    /// Why, where that must be said.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Verdict::Kept => None,
            Verdict::Left(reason) | Verdict::Theirs(reason) | Verdict::Waived(reason) | Verdict::Due(reason) => {
                Some(reason)
            }
        }
    }
}
