//! libFuzzer's door to [`cometail_fuzz::session`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::session::check(input));
