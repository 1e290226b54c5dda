//! File names for ids. Every id has a name that all file systems accept, and no name leaves its folder.

use crate::id::{hex, sha256};

/// Maximum length of a name before the extension, in bytes; common file systems accept 255.
const NAME_BYTES: usize = 200;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: &[&str] = &[
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt0",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The name for `id`: letters, digits, `-`, `_` and inner dots are unchanged, everything else is percent-encoded. A name that is too long
/// becomes `~` and the first half of the SHA-256 of `id`. The file contains the id itself.
pub(super) fn file_name(id: &str) -> String {
    let mut name = String::new();
    for (at, byte) in id.bytes().enumerate() {
        let inner_dot = byte == b'.' && at > 0 && at + 1 < id.len();
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || inner_dot {
            name.push(char::from(byte));
        } else {
            name.push_str(&percent_encode(byte));
        }
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    if DEVICES.contains(&stem.as_str())
        && let Some(first) = id.bytes().next()
    {
        name = percent_encode(first) + &name[1..];
    }
    if name.len() > NAME_BYTES { hashed_file_name(id) } else { name }
}

/// An alternative name if the first one is in use: on a file system where `Key` and `key` are the same.
pub(super) fn hashed_file_name(id: &str) -> String {
    format!("~{}", hex(&sha256(&[id.as_bytes()])[..16]))
}

fn percent_encode(byte: u8) -> String {
    format!("%{byte:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_name_that_stays_in_its_folder() {
        let named: Vec<String> =
            ["r1", "../x", "..", ".", "a.b.", "CON", "con.txt", "COM1.x.y", "a/b", "a b", "🦀", "~x", "%41", "consul"]
                .map(|id| format!("{id} → {}", file_name(id)))
                .to_vec();
        insta::assert_snapshot!(named.join("\n"), @r#"
        r1 → r1
        ../x → %2E.%2Fx
        .. → %2E%2E
        . → %2E
        a.b. → a.b%2E
        CON → %43ON
        con.txt → %63on.txt
        COM1.x.y → %43OM1.x.y
        a/b → a%2Fb
        a b → a%20b
        🦀 → %F0%9F%A6%80
        ~x → %7Ex
        %41 → %2541
        consul → consul
        "#);
        let long = file_name(&"é".repeat(100));
        assert_eq!((long.len(), &long[..1]), (33, "~"));
        assert_ne!(long, file_name(&"è".repeat(100)));
    }
}
