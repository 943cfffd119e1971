//! Numbers, literals and escapes, byte by byte (RFC 8259, sections 3, 6 and 7).

/// Whether what stands behind a backslash makes an escape of it: one of eight characters, or `u` and four
/// hexadecimal digits (section 7). Surrogates need not be paired there.
pub(super) fn is_escape(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
        Some(b'u') => rest.get(1..5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        _ => false,
    }
}

/// Whether `rest` begins with a number, `true`, `false` or `null` that ends where a value may end.
pub(super) fn is_scalar(rest: &[u8]) -> bool {
    let end = match rest.first() {
        Some(b't') => rest.strip_prefix(b"true"),
        Some(b'f') => rest.strip_prefix(b"false"),
        Some(b'n') => rest.strip_prefix(b"null"),
        _ => number(rest),
    };
    end.is_some_and(is_end)
}

/// The position that `rest` begins with: a plain integer from 0 to 10^18 - 1 that ends where a value may end.
pub(super) fn position(rest: &[u8]) -> Option<i64> {
    let mut value = 0;
    for (count, byte) in rest.iter().enumerate() {
        if !byte.is_ascii_digit() {
            let plain = count == 1 || count > 1 && rest.first() != Some(&b'0');
            return (plain && is_end(rest.get(count..)?)).then_some(value);
        }
        if count == 18 {
            break;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    None
}

/// What stands behind the number that `rest` begins with (section 6).
fn number(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    // No zeros lead.
    let mut rest = rest.strip_prefix(b"0").or_else(|| digits(rest))?;
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest =
            digits(exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent))?;
    }
    Some(rest)
}

/// What stands behind at least one digit.
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(count..).filter(|_| count > 0)
}

/// Whether a value may end before `rest`: at the end of its list, its line, or before white space (section 2).
fn is_end(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
}
