//! libFuzzer's door to [`cometail_fuzz::advice`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::advice::check(input));
