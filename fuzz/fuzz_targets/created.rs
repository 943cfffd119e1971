//! libFuzzer's door to [`cometail_fuzz::created`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::created::check(input));
