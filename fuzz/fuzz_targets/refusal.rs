//! libFuzzer's door to [`cometail_fuzz::refusal`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::refusal::check(input));
