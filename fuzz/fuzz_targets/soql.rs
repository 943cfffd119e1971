//! libFuzzer's door to [`cometail_fuzz::soql`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cometail_fuzz::soql::check(input));
