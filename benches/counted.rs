//! What callgrind is to count, and how it is told.

/// Does `work`, of which `path` is done `times` times: callgrind counts what is inside, and nothing else.
///
/// Each line that this prints names one dump of callgrind, in order: a path, and how often it was done.
pub fn counted(path: &str, times: usize, work: &mut dyn FnMut()) {
    println!("{path}\t{times}");
    enclosed(work);
}

/// What callgrind is told to look at, by this name: it counts while this runs, and dumps when it returns.
#[inline(never)]
fn enclosed(work: &mut dyn FnMut()) {
    work();
}
