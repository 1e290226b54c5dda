//! Keys, and the trait that provides them.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runstate_core::marker::MaybeSync;
use zeroize::Zeroizing;

/// The name of the key of hashes in a list of keys.
const HASH_KEY: &str = "hash";

/// Largest length of the id of a key.
const MAX_ID_BYTES: usize = 64;

/// A key of 256 bits. It is erased from memory when its last copy is dropped.
#[derive(Clone)]
pub struct SecretKey(Arc<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// A key of these bytes, which must be random.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

/// Debug output contains no bytes of the key.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Provides keys. It is asked for every value, so a provider that gets its keys from a server keeps them.
///
/// A value holds the id of its key. So the bytes of an id never change, and a key is provided as long as a store, an
/// export or a backup has a value under it. Its debug output contains no key.
pub trait KeyProvider: MaybeSync + fmt::Debug {
    /// The id of the key that encrypts now.
    fn current(&self) -> String;

    /// The ids of all keys. Rotation encrypts again what is under a key of this list that is not the current one.
    fn ids(&self) -> Vec<String>;

    /// The key with this id; `None`: it is lost, or was never given.
    fn key(&self, id: &str) -> Option<SecretKey>;

    /// The key of hashes: of searchable values, and of the fingerprints of commands. It is not rotated. `None`: no
    /// value is searchable.
    fn hash_key(&self) -> Option<SecretKey>;
}

/// A list of keys.
///
/// ```
/// use runstate::encryption::{KeyProvider, Keys};
/// let keys = Keys::parse("k2:uTCcdiRQk5NUbYAKvcoGfy3UHzRzTgnyQeXKfERkCkg=,k1:YVQ0yJxk2dpVUEGBNVqAPhw3Sjs2+2BgbN1Ksj1lMJY=").unwrap();
/// assert_eq!((keys.current(), keys.ids()), ("k2".to_owned(), vec!["k2".to_owned(), "k1".to_owned()]));
/// ```
#[derive(Clone, Debug)]
pub struct Keys {
    first: (String, SecretKey),
    others: Vec<(String, SecretKey)>,
    hash: Option<SecretKey>,
}

/// A list of keys that is not valid. The message repeats no part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the list of keys is not valid: {0}. Use `ID:BASE64,…`, the current key first; each key is 32 random bytes, and the key of hashes has the id `hash`"
)]
pub struct InvalidKeys(String);

impl Keys {
    /// The current key.
    pub fn new(id: impl Into<String>, key: SecretKey) -> Self {
        Self { first: (id.into(), key), others: Vec::new(), hash: None }
    }

    /// Adds an older key.
    pub fn with_older(mut self, id: impl Into<String>, key: SecretKey) -> Self {
        self.others.push((id.into(), key));
        self
    }

    /// Sets the key of hashes.
    pub fn with_hash_key(self, key: SecretKey) -> Self {
        Self { hash: Some(key), ..self }
    }

    /// Parses `ID:BASE64,…`, the current key first. The entries may also be separated by line ends.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let invalid = |problem: &str| Err(InvalidKeys(problem.to_owned()));
        let (mut keys, mut hash): (Vec<(String, SecretKey)>, Option<SecretKey>) = (Vec::new(), None);
        for (at, entry) in text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
            let Some((id, base64)) = entry.split_once(':') else {
                return invalid(&format!("entry {} has no `:` after the id of the key", at + 1));
            };
            let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(is_id) {
                let rule = format!("has 1 to {MAX_ID_BYTES} letters, digits, `-`, `_` and `.`");
                return invalid(&format!("entry {} has no valid id; an id {rule}", at + 1));
            }
            let bytes = STANDARD.decode(base64).map(Zeroizing::new);
            let bytes = bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
            let Some(key) = bytes.map(SecretKey::new) else {
                return invalid(&format!("the key `{id}` is not 32 bytes in base64"));
            };
            if (id == HASH_KEY && hash.is_some()) || keys.iter().any(|(other, _)| other == id) {
                return invalid(&format!("the key `{id}` occurs twice"));
            }
            match id == HASH_KEY {
                true => hash = Some(key),
                false => keys.push((id.to_owned(), key)),
            }
        }
        if keys.is_empty() {
            return invalid("it has no key that encrypts");
        }
        let first = keys.remove(0);
        Ok(Self { first, others: keys, hash })
    }

    fn all(&self) -> impl Iterator<Item = &(String, SecretKey)> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl KeyProvider for Keys {
    fn current(&self) -> String {
        self.first.0.clone()
    }

    fn ids(&self) -> Vec<String> {
        self.all().map(|(id, _)| id.clone()).collect()
    }

    fn key(&self, id: &str) -> Option<SecretKey> {
        self.all().find(|(known, _)| known == id).map(|(_, key)| key.clone())
    }

    fn hash_key(&self) -> Option<SecretKey> {
        self.hash.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_list_is_explained_without_its_keys() {
        let key = STANDARD.encode([7; 32]);
        let valid = Keys::parse(&format!(" b:{key}\nhash:{key},a:{key}\n")).unwrap();
        assert_eq!((valid.ids(), valid.hash_key().is_some()), (vec!["b".to_owned(), "a".to_owned()], true));
        assert!(valid.key("hash").is_none() && valid.key("c").is_none());
        assert!(!format!("{valid:?}").contains('7'));
        let cases = [
            (String::new(), "no key that encrypts"),
            (format!("hash:{key}"), "no key that encrypts"),
            (key.clone(), "entry 1 has no `:`"),
            (format!("a:{key},{}:{key}", "x".repeat(65)), "entry 2 has no valid id"),
            (format!("a:{}", &key[..40]), "`a` is not 32 bytes"),
            (format!("a:{key}x"), "`a` is not 32 bytes"),
            (format!("a:{key},a:{key}"), "`a` occurs twice"),
            (format!("a:{key},hash:{key},hash:{key}"), "`hash` occurs twice"),
        ];
        for (text, problem) in cases {
            let message = Keys::parse(&text).unwrap_err().to_string();
            assert!(message.contains(problem) && !message.contains(&key[..20]), "{message}");
        }
    }
}
