//! Where a value ends, told by its strings and brackets alone: for what cannot be parsed.

/// The next byte that is not white space, with its place.
pub(super) fn next_byte(body: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = body.get(from..)?;
    let skipped = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    Some((from + skipped, *rest.get(skipped)?))
}

/// Where the value that `rest` begins with ends, by strings and brackets alone; `None` where it does not.
pub(super) fn extent(rest: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The extent of a value behind which an array goes on or ends.
pub(super) fn clean_extent(rest: &[u8]) -> Option<usize> {
    let end = extent(rest).filter(|end| *end > 0)?;
    let closed = match (rest.first(), rest.get(end - 1)) {
        (Some(b'{'), last) => last == Some(&b'}'),
        (Some(b'['), last) => last == Some(&b']'),
        _ => true,
    };
    if !closed {
        return None;
    }
    matches!(next_byte(rest, end), None | Some((_, b',' | b']'))).then_some(end)
}
