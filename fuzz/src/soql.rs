//! Queries of the emulator. The input is the query's text.

use cometail::emulator::fuzzing::soql;

/// The longest query that is read, in bytes.
const QUERY_MAX: usize = 20_000;

/// Reads a query, and what it is printed as, which has to be the same query; where it cannot be read, the place
/// has to be one within it.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match soql(&text) {
        // A number with a large exponent is printed with all its digits.
        Ok(printed) if printed.len() <= QUERY_MAX => {
            assert_eq!(soql(&printed).as_ref(), Ok(&printed), "{text:?} is printed as another query");
        }
        Ok(_) => {}
        Err(at) => assert!(text.is_char_boundary(at), "{text:?} is wrong at {at}"),
    }
}
