//! How the commands of the testkit end.

use std::io;
use std::process::ExitCode;

/// 0 where all is well, 1 where something was found wrong, 2 where nothing could be found out, which is said.
#[must_use]
pub fn status_of(done: io::Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Who reads no further knows enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
