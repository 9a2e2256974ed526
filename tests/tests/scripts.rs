//! The scripts of `tests/scripts/`: right ones pass, wrong ones fail, each for its own reason, and those that are due
//! fail until the stack is mended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lendwire_nic::Offloads;
use lendwire_tests::script::{self, Options, Outcome, Versions};
use lendwire_tests::setup::Version;

/// Folders of scripts that are not to pass.
const OTHERS: [&str; 2] = ["due", "wrong"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    script::scripts(folder).expect("the folder can be read")
}

fn run(script: &Path) -> Vec<Outcome> {
    run_with(script, Offloads::empty())
}

fn run_with(script: &Path, offloads: Offloads) -> Vec<Outcome> {
    let options = Options { versions: Versions::Both, strict: true, offloads, ..Options::default() };
    script::run_file(script, &options)
}

/// All that are to pass.
fn right_scripts() -> Vec<PathBuf> {
    let is_other = |path: &PathBuf| OTHERS.iter().any(|other| path.starts_with(folder().join(other)));
    let scripts: Vec<_> = scripts_in(&folder()).into_iter().filter(|path| !is_other(path)).collect();
    // A check that finds nothing to check would pass for ever.
    assert!(scripts.len() >= 200, "only {} scripts were found", scripts.len());
    scripts
}

#[track_caller]
fn assert_all_passed(outcomes: &[Outcome]) {
    let failed: Vec<_> = outcomes.iter().filter(|it| !it.passed()).map(|it| format!("{it:#}")).collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
}

#[test]
fn every_right_script_passes_over_both_versions() {
    assert_all_passed(&right_scripts().iter().flat_map(|script| run(script)).collect::<Vec<_>>());
}

#[test]
fn a_device_that_cuts_segments_changes_nothing_on_the_wire() {
    let offloads = Offloads::TX_CHECKSUM | Offloads::TX_SEGMENT_V4 | Offloads::TX_SEGMENT_V6;
    let outcomes = right_scripts().into_iter().flat_map(|script| run_with(&script, offloads));
    assert_all_passed(&outcomes.collect::<Vec<_>>());
}

#[test]
fn every_wrong_script_fails_for_its_own_reason() {
    let scripts = scripts_in(&folder().join("wrong"));
    let mut reasons = BTreeMap::new();
    for script in &scripts {
        let reason = assert_fails_as_it_says(script);
        let other = reasons.insert(reason, script);
        assert!(other.is_none(), "{} has the same reason as {other:?}", script.display());
    }
    assert!(scripts.len() >= 20, "only {} wrong scripts were found", scripts.len());
}

#[test]
fn a_script_that_is_due_moves_when_the_stack_is_mended() {
    let due = folder().join("due");
    // With nothing due there is no folder either.
    for script in if due.exists() { scripts_in(&due) } else { Vec::new() } {
        let passed = run(&script).iter().any(Outcome::passed);
        assert!(!passed, "{} passes now: move it to the folder of its RFC", script.display());
        assert_fails_as_it_says(&script);
    }
}

/// The script fails for the reason in its first line. Returns that.
#[track_caller]
fn assert_fails_as_it_says(script: &Path) -> String {
    let text = std::fs::read_to_string(script).expect("the script can be read");
    let wanted = text.lines().next().and_then(|line| line.strip_prefix("// reason: "));
    let wanted = wanted.unwrap_or_else(|| panic!("{}: its first line says no reason", script.display()));
    for outcome in run(script) {
        let failure = outcome.failure.as_ref().unwrap_or_else(|| panic!("{} passes", script.display()));
        assert!(failure.reason.starts_with(wanted), "{}: {}, not: {wanted}", script.display(), failure.reason);
    }
    wanted.to_owned()
}

#[test]
fn a_run_is_always_the_same() {
    let scripts = scripts_in(&folder().join("rfc5681"));
    let traces = || scripts.iter().flat_map(|script| run(script)).map(|outcome| outcome.trace).collect::<Vec<_>>();
    assert_eq!(traces(), traces());
}

#[test]
fn a_push_inside_of_what_was_written_is_taste_and_one_at_its_end_is_not() {
    let text = |first: &str, last: &str| {
        format!(
            "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n\
             +.1 < S 0:0(0) win 32792 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+.1 < . 1:1(0) ack 1 win 32792\n\
             +0 accept(3, ..., ...) = 4\n+0 write(4, ..., 2500) = 2500\n+0 > {first} 1:1001(1000) ack 1\n\
             +0 > {last} 1001:2501(1500) ack 1"
        )
    };
    let passes = |text: &str, strict| {
        let options = Options { strict, ..Options::default() };
        script::run_text(text, Version::V4, &options).is_ok()
    };
    assert!(passes(&text(".", "P."), true) && passes(&text("P.", "P."), false));
    assert!(!passes(&text("P.", "P."), true) && !passes(&text("P.", "."), false) && !passes(&text("U.", "P."), false));
}

#[test]
fn a_dry_run_reads_a_script_and_does_nothing() {
    let run = |text: &str| script::run_text(text, Version::V4, &Options::default());
    let event = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 > FR. 7:9(2) ack 1";
    assert!(run(&format!("--dry_run\n{event}")).is_ok() && run(event).is_err());
    assert!(run("--dry_run\n0 socket(").is_err(), "what cannot be read fails");
}

#[test]
fn every_number_that_a_line_expects_is_compared() {
    let mut count = 0;
    for script in right_scripts() {
        let text = std::fs::read_to_string(&script).expect("the script can be read");
        let lines: Vec<_> = text.lines().collect();
        for (place, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" > ")) {
            for changed in [with_next(line, " ack "), with_next(line, "(")].into_iter().flatten() {
                let text = [&lines[..place], &[&changed], &lines[place + 1..]].concat().join("\n");
                let options = Options { strict: true, ..Options::default() };
                let passed = script::run_text(&text, Version::V4, &options).is_ok();
                assert!(!passed, "{}:{} passes as `{changed}`, too", script.display(), place + 1);
                count += 1;
            }
        }
    }
    assert!(count > 1000, "only {count} numbers were changed");
}

/// `line` with the number behind `sign` greater by one.
fn with_next(line: &str, sign: &str) -> Option<String> {
    let at = line.find(sign)? + sign.len();
    let digits = line[at..].chars().take_while(char::is_ascii_digit).count();
    let number: u64 = line[at..at + digits].parse().ok()?;
    Some(format!("{}{}{}", &line[..at], number + 1, &line[at + digits..]))
}
