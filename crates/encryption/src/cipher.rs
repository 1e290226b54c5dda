//! One value: AES-256-GCM under a key of its own place, and the keyed hash of a searchable value.
//!
//! The key of a place is HMAC-SHA-256 of collection, document and field under the key of the provider. So a value that
//! is moved to another place cannot be decrypted there. Nonces are random. A nonce must not repeat under one key, and
//! these keys are for one field of one document, which is written far less than the 2^32 times that NIST SP 800-38D
//! allows.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use runstate_core::schema::sealed::{HASH, KEY, SEALED, key_id};
use runstate_core::schema::{Field, Key};
use runstate_store::StoreError;
use runstate_value::{Json, canonical_json, parse_bytes};
use serde_json::json;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KeyProvider, SecretKey, entropy};

const NONCE_BYTES: usize = 12;

/// Encrypts and decrypts values with the keys of a provider, as it has them now.
pub(super) struct Cipher<'a> {
    keys: &'a dyn KeyProvider,
    current: String,
}

impl<'a> Cipher<'a> {
    pub(super) fn new(keys: &'a dyn KeyProvider) -> Self {
        Self { keys, current: keys.current() }
    }

    /// The id of the key that encrypts.
    pub(super) fn current(&self) -> &str {
        &self.current
    }

    /// Whether the value is encrypted under the current key.
    pub(super) fn is_current(&self, value: &Json) -> bool {
        key_id(value) == Some(&self.current)
    }

    /// Encrypts the value of a field of the document `key`.
    pub(super) fn seal(&self, key: &Key, field: &Field, value: &Json) -> Result<Json, StoreError> {
        let Some(secret) = self.keys.key(&self.current) else {
            return Err(missing_key(key, field, &self.current));
        };
        let failed =
            |why: String| StoreError::Unavailable { what: format!("encrypting `{}` of {key}", field.name), why };
        let mut sealed = entropy::random_bytes::<NONCE_BYTES>().map_err(failed)?.to_vec();
        let nonce = Nonce::try_from(&sealed[..]).map_err(|error| failed(error.to_string()))?;
        let text = Zeroizing::new(value.to_string().into_bytes());
        let payload = Payload { msg: &text, aad: self.current.as_bytes() };
        let cipher = place_cipher(&secret, key, field).map_err(failed)?;
        sealed.extend(cipher.encrypt(&nonce, payload).map_err(|_| failed("the value is too large".to_owned()))?);
        let mut object = json!({ KEY: self.current, SEALED: STANDARD.encode(sealed) });
        if field.searchable {
            object[HASH] = self.hash(&key.collection, field, value)?.into();
        }
        Ok(object)
    }

    /// Decrypts a sealed value. [`StoreError::KeyMissing`]: its key is not given. [`StoreError::Corrupt`]: it was
    /// changed or moved.
    pub(super) fn open(&self, key: &Key, field: &Field, sealed: &Json) -> Result<Json, StoreError> {
        let id = key_id(sealed).unwrap_or_default();
        let secret = self.keys.key(id).ok_or_else(|| missing_key(key, field, id))?;
        let damaged = || StoreError::Corrupt {
            at: key.to_string(),
            why: format!(
                "its `{}` cannot be decrypted with the key `{id}`: it was changed, it is of another document or field, or another key \
                 has that id",
                field.name
            ),
        };
        let bytes = sealed.get(SEALED).and_then(Json::as_str).and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.ok_or_else(damaged)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let nonce = Nonce::try_from(nonce).map_err(|_| damaged())?;
        let cipher = place_cipher(&secret, key, field).map_err(|_| damaged())?;
        let text = cipher.decrypt(&nonce, Payload { msg: ciphertext, aad: id.as_bytes() }).map_err(|_| damaged())?;
        parse_bytes(&Zeroizing::new(text)).map_err(|_| damaged())
    }

    /// The hash by which a searchable value is found. Equal values of one field have equal hashes.
    pub(super) fn hash(&self, collection: &str, field: &Field, value: &Json) -> Result<String, StoreError> {
        let key = self.keys.hash_key().ok_or_else(|| missing_hash_key(collection, field))?;
        let text = Zeroizing::new(canonical_json(value));
        let parts = [b"runstate value", collection.as_bytes(), field.name.as_bytes(), text.as_bytes()];
        let digest =
            mac(&key, &parts).map_err(|why| StoreError::Unavailable { what: "a keyed hash".to_owned(), why })?;
        Ok(STANDARD.encode(&digest[..]))
    }
}

/// The check value of a key: two keys have different ones, and it says nothing else about them.
pub(super) fn key_check(key: &SecretKey) -> Result<String, StoreError> {
    let digest = mac(key, &[b"runstate key check"]);
    let digest = digest.map_err(|why| StoreError::Unavailable { what: "the check value of a key".to_owned(), why })?;
    Ok(STANDARD.encode(&digest[..]))
}

/// The fingerprint of a command under the key of hashes. Without it, a reader of the ledger could guess short secrets.
pub(super) fn fingerprint(keys: &dyn KeyProvider, fingerprint: String) -> String {
    let Some(key) = keys.hash_key() else { return fingerprint };
    match mac(&key, &[b"runstate fingerprint", fingerprint.as_bytes()]) {
        Ok(digest) => runstate_core::id::hex(&digest[..16]),
        Err(_) => fingerprint,
    }
}

fn place_cipher(secret: &SecretKey, key: &Key, field: &Field) -> Result<Aes256Gcm, String> {
    let parts = [b"runstate sealed 1", key.collection.as_bytes(), key.id.as_bytes(), field.name.as_bytes()];
    Aes256Gcm::new_from_slice(&mac(secret, &parts)?[..]).map_err(|error| error.to_string())
}

/// HMAC-SHA-256 over `parts`, each preceded by its length.
fn mac(key: &SecretKey, parts: &[&[u8]]) -> Result<Zeroizing<[u8; 32]>, String> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.bytes()).map_err(|error| error.to_string())?;
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

pub(super) fn missing_key(key: &Key, field: &Field, id: &str) -> StoreError {
    let why = format!(
        "its `{}` is encrypted under the key `{id}`, which was not given. Open the store with that key",
        field.name
    );
    StoreError::KeyMissing { at: key.to_string(), why }
}

pub(super) fn missing_hash_key(collection: &str, field: &Field) -> StoreError {
    let why =
        format!("`{}` is searchable, which needs the key of hashes. Add the entry `hash` to the keys", field.name);
    StoreError::KeyMissing { at: collection.to_owned(), why }
}
