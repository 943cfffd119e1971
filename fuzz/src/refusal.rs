//! The meaning of refusals. The input is the `error` up to the first line break, and `ext.sfdc.failureReason`
//! after it where there is one.

use cometail::bayeux::refusal::Meaning;

/// Reads the two texts and checks that neither case nor company changes what they mean.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (error, reason) =
        text.split_once('\n').map_or((&*text, None), |(error, reason)| (error, Some(reason)));
    let both = Meaning::read(Some(error), reason);
    let (from_error, from_reason) = (Meaning::read(Some(error), None), Meaning::read(None, reason));
    // The reason is read first; where it says nothing definite, the error decides.
    let expected = if from_reason == Meaning::Other { from_error } else { from_reason };
    assert_eq!(both, expected, "{error:?} with {reason:?}");
    assert_eq!(Meaning::read(reason, None), from_reason, "both are read alike");
    case(error, from_error);
    known(error);
    assert!(!both.name().is_empty() && !both.to_string().is_empty());
    status(input);
}

fn case(error: &str, meaning: Meaning) {
    assert_eq!(Meaning::read(Some(&error.to_ascii_uppercase()), None), meaning, "{error:?} in upper case");
    assert_eq!(Meaning::read(Some(&error.to_ascii_lowercase()), None), meaning, "{error:?} in lower case");
}

/// A session that the server does not know is recognised in whatever words surround it, and after any code.
fn known(error: &str) {
    for text in [format!("{error} Unknown client"), format!("403::Unknown client {error}")] {
        assert_eq!(Meaning::read(Some(&text), None), Meaning::UnknownClient, "{text:?}");
    }
    let reason = Some("401::Authentication invalid");
    assert_eq!(Meaning::read(Some(error), reason), Meaning::Unauthenticated, "{error:?}");
}

fn status(input: &[u8]) {
    let status = input.iter().take(2).fold(0, |status, byte| status * 256 + u16::from(*byte));
    let meaning = Meaning::of_status(status);
    assert!(!(200..400).contains(&status) || meaning == Meaning::Other, "{status} is {meaning}");
}
