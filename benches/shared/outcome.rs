//! How a bench ends: with 0 when every bar is held, with 1 when one is missed or a run fails, with 2 when it is called
//! wrongly.

use std::error::Error;
use std::process::ExitCode;

/// Tells an error, and ends with 0 or 1.
pub(crate) fn code(outcome: Result<bool, Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_CRATE_NAME"));
            ExitCode::FAILURE
        }
    }
}

/// Tells what is wrong with the command line, and ends with 2.
pub(crate) fn misuse(problem: &str, usage: &str) -> ExitCode {
    eprintln!("{problem}\n{usage}");
    ExitCode::from(2)
}
