//! Malformed frames: each row of a table is dropped with its own reason, counted once, answered only where a rule wants
//! an answer, and leaves no trace. The same frame without its fault is taken, so a row fails for its own reason only.
//!
//! | module | what it is |
//! |---|---|
//! | `wire` | frames, and the repair of their checksums around a fault |
//! | `host` | the stack that they are sent to |
//! | `row` | what a row is, and how it is judged |
//! | `rows` | the table, by layer |
//! | `odd` | what looks wrong and is not |
//! | `alone` | reasons that no single frame causes |
//! | `mutations` | a hundred thousand frames that nobody thought of |

mod alone;
mod host;
mod mutations;
mod odd;
mod row;
mod rows;
mod wire;

use lendwire::Reason;
use row::Row;

#[test]
fn every_malformed_frame_is_counted_once_and_for_its_own_reason() {
    report(rows::all().iter().flat_map(Row::judge).collect());
}

#[test]
fn every_frame_without_its_fault_is_taken() {
    report(rows::all().iter().flat_map(Row::judge_twin).collect());
}

#[test]
fn every_reason_has_a_row_or_a_test_of_its_own() {
    let rows = rows::all();
    for &reason in Reason::ALL {
        let has_row = rows.iter().any(|row| row.reason == reason);
        let is_alone = alone::REASONS.contains(&reason);
        assert!(has_row || is_alone, "nothing shows when {reason:?} is counted");
        assert!(!(has_row && is_alone), "{reason:?} has a row, so one frame does cause it");
    }
}

#[track_caller]
fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
