//! Durations and sizes as people write them: `"1.5s"`, `"64MiB"`.
//!
//! Constraints: exact integer arithmetic (no rounding, no overflow), no sign, no white space.

use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// Nanoseconds to a unit, largest first.
const DURATIONS: [(&str, u128); 5] =
    [("d", 86_400 * SECOND), ("h", 3_600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", SECOND / 1000)];

/// Bytes to a unit, largest first.
const SIZES: [(&str, u128); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// A duration such as `"500ms"`, `"1.5s"` or `"1d"`, to the nanosecond.
pub fn duration(text: &str) -> Option<Duration> {
    let nanos = amount(text, &DURATIONS)?;
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % SECOND).ok()?))
}

/// A size such as `"64MiB"` or `"10kB"`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    u64::try_from(amount(text, &SIZES)?).ok()
}

/// A duration in the largest unit that needs no fraction.
pub(super) fn show_duration(duration: Duration) -> String {
    show(duration.as_nanos(), &DURATIONS, "s")
}

/// A size in the largest unit that needs no fraction.
pub(super) fn show_size(size: u64) -> String {
    show(u128::from(size), &SIZES, "B")
}

fn show(amount: u128, units: &[(&str, u128)], zero: &str) -> String {
    if amount == 0 {
        return format!("0{zero}");
    }
    let whole = units.iter().find(|(_, unit)| amount.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{amount}ns"), |(name, unit)| format!("{}{name}", amount / unit))
}

/// Digits, perhaps a point and more digits, and a unit: the product, where it is a whole number.
fn amount(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(w, f)| (w, Some(f)));
    let whole = whole.parse::<u64>().ok().map(u128::from)?.checked_mul(*factor)?;
    whole.checked_add(fraction.map_or(Some(0), |digits| part(digits, *factor))?)
}

/// The digits after a point, times the unit; at most 18, so that the product fits 128 bits.
fn part(digits: &str, factor: u128) -> Option<u128> {
    let power = u32::try_from(digits.len()).ok().filter(|length| *length <= 18)?;
    let product = digits.parse::<u64>().ok().map(u128::from)?.checked_mul(factor)?;
    let divisor = 10_u128.pow(power);
    product.is_multiple_of(divisor).then(|| product / divisor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_exact() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1.5s", 1500),
            ("0.25m", 15_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("0.5ms"), Some(Duration::from_micros(500)));
    }

    #[test]
    fn sizes_are_exact() {
        for (text, bytes) in
            [("512B", 512), ("64KiB", 65_536), ("64MiB", 67_108_864), ("1.5kB", 1500), ("2MB", 2_000_000)]
        {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        assert_eq!(size("1GiB"), Some(1_073_741_824));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["", "10", "s", "-1s", "+1s", " 1s", "1 s", "1s ", ".5s", "1.s", "1..5s", "1.5.5s", "1h30m", "1S"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
        for text in ["1.5B", "1kb", "1K", "64mib", "1e3B", "０B"] {
            assert_eq!(size(text), None, "{text:?}");
        }
        assert_eq!(duration("18446744073709551616s"), None, "more than 64 bits");
        assert_eq!(duration("18446744073709551615d"), None, "more seconds than 64 bits");
        assert_eq!(duration("0.0000000001s"), None, "less than a nanosecond");
        assert_eq!(size("18446744073709551615GiB"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0_u64..1_000_000) {
            let whole = Duration::from_millis(nanos);
            prop_assert_eq!(duration(&show_duration(whole)), Some(whole));
            prop_assert_eq!(size(&show_size(nanos)), Some(nanos));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text));
        }

        #[test]
        fn no_number_panics(text in "[0-9]{0,30}\\.?[0-9]{0,30}(ms|s|m|h|d|B|KiB|GiB)") {
            let _ = (duration(&text), size(&text));
        }
    }
}
