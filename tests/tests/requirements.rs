//! What the RFCs ask, and what shows it: nothing is wrong with the rows of `tests/requirements/`, and what could be wrong is
//! seen.

use std::path::Path;
use std::sync::LazyLock;

use lendwire_tests::requirements::{self, Evidence, Problem, Row, Strength, Table, Verdict, pages, parse, problems};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| Evidence::find(root()).expect("the sources can be read"));

/// The rows of RFC 9293.
fn rfc9293() -> Table {
    let report = requirements::check(root()).expect("the rows can be read");
    report.tables.into_iter().find(|table| table.rfc == 9293).expect("RFC 9293 has rows")
}

/// A file of one row of another RFC.
fn with(lines: &str) -> String {
    format!("RFC 5681: TCP Congestion Control\n== Heading\n{lines}\n")
}

const FILE: &str = "tests/requirements/rfc5681.txt";
const SHOWN: &str = "    rfc9293::reset::a_wrong_checksum_is_nothing_at_all";

#[track_caller]
fn problems_of(lines: &str) -> Vec<String> {
    let table = parse(FILE, &with(lines)).expect("the lines can be read");
    problems(&table, &EVIDENCE).into_iter().map(|problem| problem.to_string()).collect()
}

#[track_caller]
fn assert_wrong(found: &[impl ToString], wanted: &str) {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.iter().any(|it| it.contains(wanted)), "nobody says `{wanted}`: {found:#?}");
}

#[track_caller]
fn assert_unreadable(lines: &str, wanted: &str) {
    let problem = parse(FILE, &with(lines)).expect_err("the lines cannot be read");
    assert_wrong(&[problem], wanted);
}

#[test]
fn nothing_is_wrong_with_the_rows_and_their_pages() {
    let report = requirements::check(root()).expect("the rows can be read");
    let said: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{} problems:\n{}", said.len(), said.join("\n"));
    // A check that finds nothing to check would pass for ever.
    let (tests, scripts) = EVIDENCE.count();
    assert!(tests > 500 && scripts > 250, "only {tests} tests and {scripts} scripts were found");
}

#[test]
fn rfc9293_has_its_119_ids() {
    let table = rfc9293();
    assert_eq!(table.rows().count(), 119);
    let of = |strength| table.rows().filter(|row| row.strength == strength).count();
    assert_eq!(Strength::ALL.map(of), [69, 32, 18, 0], "69 MUST, 31 SHLD and 1 REC, 18 MAY");
}

#[test]
fn each_id_of_rfc9293_is_missed_when_it_is_not_there_and_seen_when_it_is_there_twice() {
    let whole = rfc9293();
    for row in whole.rows() {
        assert_wrong(&problems(&edited(&whole, |rows| rows.retain(|other| other.id != row.id)), &EVIDENCE), &row.id);
        let twice = edited(&whole, |rows| {
            if rows.contains(row) {
                rows.push(row.clone());
            }
        });
        assert_wrong(&problems(&twice, &EVIDENCE), &format!("{} is in line {} already", row.id, row.line));
    }
}

#[test]
fn each_test_and_script_that_a_row_names_is_missed_when_it_is_not_there() {
    let mut count = 0;
    for table in requirements::check(root()).expect("the rows can be read").tables {
        for (row, test) in table.rows().flat_map(|row| row.tests.iter().map(move |test| (row, test))) {
            let change = |name: &str| {
                let changed =
                    row.tests.iter().map(|it| if it == test { name.to_owned() } else { it.clone() }).collect();
                let row = Row { tests: changed, ..row.clone() };
                let groups = vec![requirements::Group { title: String::new(), rows: vec![row] }];
                problems(&Table { groups, ..table.clone() }, &EVIDENCE)
            };
            let other = format!("{test}x");
            assert_wrong(&change(&other), &format!("there is no {other}"));
            count += 1;
        }
    }
    assert!(count > 100, "rows name {count} tests only");
}

#[test]
fn an_id_that_the_appendix_does_not_have_is_refused() {
    let whole = rfc9293();
    let other = edited(&whole, |rows| {
        rows.iter_mut().filter(|row| row.id == "MUST-69").for_each(|row| row.id = "MUST-70".into())
    });
    assert_wrong(&problems(&other, &EVIDENCE), "Appendix B has no MUST-70");
    assert_wrong(&problems(&other, &EVIDENCE), "MUST-69 is missing");
    assert_wrong(&problems_of(&format!("MUST-1 3.1: Nothing.\n    kept\n{SHOWN}")), "MUST-1 is RFC 9293's");
}

#[test]
fn a_row_that_is_kept_names_what_shows_it() {
    assert_eq!(problems_of(&format!("MUST 3.1: Something.\n    kept\n{SHOWN}")), Vec::<String>::new());
    assert_wrong(&problems_of("MUST 3.1: Something.\n    kept"), "no test shows it");
    assert_wrong(&problems_of(&format!("MUST 3.1: Something.\n    kept\n{SHOWN}\n{SHOWN}")), "is named twice");
    assert_unreadable("MUST 3.1: Something.\n    kept: it is obvious", "shown by tests, not by words");
}

#[test]
fn a_function_that_is_no_test_and_a_test_elsewhere_show_nothing() {
    let missing = |name: &str| problems_of(&format!("MUST 3.1: Something.\n    kept\n    {name}"));
    assert_wrong(&missing("requirements::assert_wrong"), "there is no requirements::assert_wrong");
    assert_wrong(
        &missing("rfc9293::open::a_wrong_checksum_is_nothing_at_all"),
        "is it rfc9293::reset::a_wrong_checksum",
    );
    assert_wrong(&missing("scripts/rfc5681/3.7-push.pkt"), "is it scripts/rfc9293/3.7-push.pkt?");
}

#[test]
fn scripts_that_fail_show_nothing() {
    let script = |verdict: &str, name: &str| problems_of(&format!("MUST 3.1: Something.\n    {verdict}\n    {name}"));
    assert_wrong(&script("kept", "scripts/wrong/ack.pkt"), "is made to fail");
    assert_wrong(&script("due: later", "scripts/wrong/ack.pkt"), "is made to fail");
    // There may be none, one day.
    for entry in std::fs::read_dir(root().join("tests/scripts/due")).into_iter().flatten().flatten() {
        let due = format!("scripts/due/{}", entry.file_name().to_string_lossy());
        assert_wrong(&script("kept", &due), "the stack still fails");
        assert_eq!(script("due: later", &due), Vec::<String>::new());
    }
}

#[test]
fn every_verdict_but_kept_has_a_reason_that_fits() {
    for verdict in ["left", "theirs", "waived", "due"] {
        assert_unreadable(&format!("MAY 3.1: Something.\n    {verdict}"), "needs a reason");
        assert_unreadable(&format!("MAY 3.1: Something.\n    {verdict}: "), "needs a reason");
        assert_eq!(problems_of(&format!("MAY 3.1: Something.\n    {verdict}: because")), Vec::<String>::new());
    }
    assert_wrong(&problems_of("SHOULD 3.1: Something.\n    left: because"), "only a MAY can be left");
    assert_unreadable("MAY 3.1: Something.\n    perhaps", "the verdict is none of");
    assert_unreadable("MAY 3.1: Something.\n", "the row has no verdict");
}

#[test]
fn nothing_of_rfc9293_is_waived_but_source_routes() {
    let whole = rfc9293();
    for row in whole.rows().filter(|row| !matches!(row.verdict, Verdict::Waived(_))) {
        let waived = edited(&whole, |rows| {
            let found = rows.iter_mut().filter(|other| other.id == row.id);
            found.for_each(|row| row.verdict = Verdict::Waived("too hard".into()));
        });
        assert_wrong(&problems(&waived, &EVIDENCE), "only source routes may be waived");
    }
    let theirs = edited(&whole, |rows| {
        let found = rows.iter_mut().filter(|row| row.id == "MUST-2");
        found.for_each(|row| row.verdict = Verdict::Theirs("of the device".into()));
    });
    assert_wrong(&problems(&theirs, &EVIDENCE), "this is not asked of applications");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let problem = parse(FILE, "nothing").expect_err("there is no title");
    assert_eq!(problem.to_string(), format!("{FILE}:1: the first line is not `RFC n: title`"));
    assert_unreadable("MUST3.1 Something.", "rfc5681.txt:3: this is no row");
    assert_unreadable("MIGHT 3.1: Something.", "this is no row");
    assert_unreadable("MUST three: Something.", "this is no row");
    assert_unreadable("    kept", "this line belongs to no row");
    let early = parse(FILE, "RFC 5681: Title\nMUST 3.1: Something.\n    kept\n").expect_err("no heading");
    assert_wrong(&[early], "before the first `== heading`");
    let elsewhere = parse("tests/requirements/rfc1.txt", &with("")).expect("it can be read");
    assert_wrong(&problems(&elsewhere, &EVIDENCE), "belong into rfc5681.txt");
}

#[test]
fn a_page_that_says_something_else_is_out_of_date() {
    let whole = rfc9293();
    assert_eq!(stale(&whole), None);
    let changed = edited(&whole, |rows| {
        rows.iter_mut().filter(|row| row.id == "MUST-2").for_each(|row| row.meaning.push_str(" Perhaps."));
    });
    let problem = stale(&changed).expect("the page says less");
    assert_eq!(problem.to_string(), "docs/rfc9293.md: out of date: run `cargo xtask requirements`");
    let unwritten = Table { rfc: 1, ..whole };
    assert!(stale(&unwritten).is_some(), "a page that is not there is out of date, too");
}

/// What is wrong with the first page that is made from `table`.
fn stale(table: &Table) -> Option<Problem> {
    pages(std::slice::from_ref(table), &EVIDENCE)[0].is_stale(root())
}

/// `table` with each group's rows changed.
fn edited(table: &Table, change: impl Fn(&mut Vec<Row>)) -> Table {
    let mut table = table.clone();
    table.groups.iter_mut().for_each(|group| change(&mut group.rows));
    table
}
