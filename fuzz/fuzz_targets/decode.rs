//! libFuzzer's door to [`cometail_fuzz::decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::decode::check(input));
