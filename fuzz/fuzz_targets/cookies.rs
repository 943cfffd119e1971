//! libFuzzer's door to [`cometail_fuzz::cookies`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::cookies::check(input));
