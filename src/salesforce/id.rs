//! Ids of records: 15 characters, or 18 of which the last three check the case of the others.

/// The characters of the check.
const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Whether `text` is an id whose record is of the kind that `prefix` names: 15 characters, or 18 with a check that is
/// right.
pub fn is_id(text: &str, prefix: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric()) && text.starts_with(prefix);
    plain
        && match text.len() {
            15 => true,
            18 => text.split_at_checked(15).is_some_and(|(id, check)| self::check(id) == check),
            _ => false,
        }
}

/// Whether both are of one record, in either length.
pub fn is_same(one: &str, other: &str) -> bool {
    let long = |id: &str| matches!(id.len(), 15 | 18);
    long(one) && long(other) && one.get(..15) == other.get(..15)
}

/// The three characters that follow an id of 15: one for each five, a bit for each capital.
fn check(id: &str) -> String {
    let bits = |five: &[u8]| {
        let capitals = five.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        capitals.map(|(place, _)| 1_usize << place).sum::<usize>()
    };
    id.as_bytes().chunks(5).filter_map(|five| CHECK.get(bits(five))).map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_id, is_same};

    #[test]
    fn the_ids_of_the_guide_are_ids() {
        for id in ["005D0000001QXi1IAG", "005xx000001Svq3AAC", "005xx000001Svq4AAC", "005D0000001QXi1"] {
            assert!(is_id(id, "005"), "{id}");
        }
    }

    #[test]
    fn an_id_has_two_lengths() {
        assert!(
            is_same("005D0000001QXi1IAG", "005D0000001QXi1") && is_same("005D0000001QXi1", "005D0000001QXi1")
        );
        for other in ["", "005D0000001QXi", "005d0000001QXi1IAG", "005D0000001QXi2IAG"] {
            assert!(!is_same(other, "005D0000001QXi1IAG"), "{other}");
        }
    }

    #[test]
    fn any_other_text_is_none() {
        for text in
            ["", "005", "005D0000001QXi1IAH", "005d0000001QXi1IAG", "005D0000001QXi1IA", "005D0000001QXi/"]
        {
            assert!(!is_id(text, "005"), "{text}");
        }
        assert!(!is_id("001D0000001QXi1", "005"));
        assert!(!is_id("005D0000001QX\u{e9}1", "005"));
    }
}
