//! The secret of a webhook as [Standard Webhooks] writes it. Its value is in no list, log, debug form or error.
//!
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use runstate_value::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Mismatch, Parameter};
use crate::schema::{FieldType, Kind, Violation};

/// A secret in the form of Standard Webhooks begins with it.
const PREFIX: &str = "whsec_";

/// The length of a secret in bytes, by Standard Webhooks.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The name of the failure of a webhook whose receiver answered 410: it wants no further message.
pub const GONE: &str = "Gone";

/// The key with which messages to one receiver are signed: `whsec_` and 24 to 64 random bytes in base64. Its debug form
/// does not show it.
// Its serialized form has the value: by it a repeated command is recognized. So a struct that callers receive skips it.
#[derive(Clone, PartialEq, Serialize, JsonSchema)]
pub struct WebhookSecret(String);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Reads the form `whsec_…`. The error does not contain the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let valid = decode(text).is_some_and(|bytes| BYTES.contains(&bytes.len()));
        if valid { Ok(Self(text.to_owned())) } else { Err(format!("it must be {}", Self::expected())) }
    }

    /// A secret from 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", BASE64_STANDARD.encode(bytes)))
    }

    /// Its text.
    pub fn to_text(&self) -> &str {
        &self.0
    }

    /// The key.
    pub fn to_bytes(&self) -> Vec<u8> {
        decode(&self.0).unwrap_or_default()
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    text.strip_prefix(PREFIX).and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
}

impl Parameter for WebhookSecret {
    fn expected() -> String {
        "`whsec_` and 24 to 64 bytes in base64".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        let read = value.as_str().and_then(|text| Self::parse(text).ok());
        read.ok_or_else(|| Mismatch::of_rule(format!("must be {}", Self::expected())))
    }
}

impl FieldType for WebhookSecret {
    const KIND: Kind = Kind::Text;

    fn to_json(&self) -> Result<Json, Violation> {
        self.0.to_json()
    }

    fn from_json(value: &Json) -> Result<Self, Violation> {
        Self::parse(value.as_str().unwrap_or_default()).map_err(|reason| Violation::new(String::new(), reason))
    }
}
