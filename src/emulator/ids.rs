//! Ids of records: 15 characters that are told apart by case, and 3 more that say which of them are capitals.
//!
//! The first three characters name the type (`005` a user, `00D` the org), the next three the instance, the other
//! nine count in base 62. The three characters of the checksum (public documentation: "Record IDs") let programs
//! that lose case find the record all the same: each stands for five characters, the lowest bit for the first.

/// What the ids of this server have after the type.
const INSTANCE: &str = "Em0";
/// The digits of the counted part.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The digits of the checksum.
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The id of 18 characters for the record `number` of the type that `prefix`, three letters or digits, stands for.
pub(super) fn id(prefix: &str, mut number: u64) -> String {
    let mut counted = Vec::with_capacity(9);
    for _ in 0..9 {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        counted.extend(DIGITS.get(digit).copied().map(char::from));
        number /= 62;
    }
    let short: String = prefix.chars().chain(INSTANCE.chars()).chain(counted.into_iter().rev()).collect();
    let checksum = checksum(&short);
    short + &checksum
}

/// The id of 18 characters that `given` means: one of 15, or of 18 whose letters may have lost their case.
/// Nothing where it is no id or its checksum is wrong.
pub(super) fn canonical(given: &str) -> Option<String> {
    if !given.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (short, sum) = given.split_at_checked(15)?;
    if sum.is_empty() {
        return Some(format!("{short}{}", checksum(short)));
    }
    let sum = sum.to_ascii_uppercase();
    let restored = restore(short, &sum)?;
    (checksum(&restored) == sum).then(|| restored + &sum)
}

/// The three letters of the type.
pub(super) fn prefix(id: &str) -> &str {
    id.get(..3).unwrap_or_default()
}

fn checksum(short: &str) -> String {
    let bits = |part: &[u8]| {
        let capital = |(at, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << at;
        part.iter().enumerate().map(capital).sum::<usize>()
    };
    let digit = |part: &[u8]| CHECKSUM.get(bits(part)).copied().map(char::from);
    short.as_bytes().chunks(5).filter_map(digit).collect()
}

/// `short` with the capitals that the checksum tells of; nothing where that is no checksum.
fn restore(short: &str, sum: &str) -> Option<String> {
    let bits = |digit: u8| CHECKSUM.iter().position(|one| *one == digit);
    let sums: Option<Vec<_>> = sum.bytes().map(bits).collect();
    let sums = sums.filter(|sums| sums.len() == 3)?;
    let cased = |(at, letter): (usize, char)| {
        let capital = sums.get(at / 5).is_some_and(|bits| bits >> (at % 5) & 1 == 1);
        if capital { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    Some(short.chars().enumerate().map(cased).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_the_guide_have_their_checksums() {
        for id in ["005D0000001QXi1IAG", "005xx000001Svq3AAC", "005xx000001Svq4AAC"] {
            assert_eq!(canonical(&id[..15]).as_deref(), Some(id));
            assert_eq!(canonical(id).as_deref(), Some(id));
        }
        // The guide's id of a channel has capitals in its checksum where it has zeros: its author left digits out.
        assert_eq!(canonical("0M6D000000000g7KXA"), None);
        assert_eq!(canonical("0M6D000000000g7").as_deref(), Some("0M6D000000000g7KAA"));
    }

    #[test]
    fn lost_case_is_restored_and_nonsense_refused() {
        assert_eq!(canonical("005d0000001qxi1iag").as_deref(), Some("005D0000001QXi1IAG"));
        assert_eq!(canonical("005D0000001QXI1IAG").as_deref(), Some("005D0000001QXi1IAG"));
        for wrong in [
            "",
            "005",
            "005D0000001QXi1BAG",
            "005D0000001QXi1IA",
            "005D0000001QXi1IAGx",
            "005D0000001QX/1",
            "005D0000001QXi1IA9",
        ] {
            assert_eq!(canonical(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_become_ids_that_are_their_own_canonical_form() {
        for number in [0, 1, 61, 62, 123_456_789, u64::MAX] {
            let id = id("a00", number);
            assert_eq!(id.len(), 18);
            assert_eq!(canonical(&id).as_deref(), Some(&*id));
            assert_eq!(canonical(&id.to_lowercase()).as_deref(), Some(&*id));
        }
        assert_eq!(&id("005", 1)[..15], "005Em0000000001");
        assert_eq!(prefix(&id("00D", 1)), "00D");
        assert_ne!(id("005", 61), id("005", 35));
    }
}
