//! Values with secrets. People see them with `***` in place of each secret, and workers get them in clear text. A
//! document has both: the one that is shown, and in a secret field the clear one, which is missing if they are equal.

use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;
use runstate_value::{collect_document, sort_by};

use crate::configuration::redact;

/// What is shown in place of a secret.
pub const REDACTED: &str = "***";

/// Shorter texts are not searched in messages and outputs: they occur by chance.
const SEARCHED_BYTES: usize = 4;

/// One of the forms of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// With `***` in place of secrets.
    Redacted,
    /// With its secrets.
    Clear,
}

/// A value, some parts of which may be secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuardedValue {
    /// With `***` in place of secrets.
    pub redacted: Json,
    /// With its secrets; `None`: it has none.
    pub clear: Option<Json>,
}

impl GuardedValue {
    /// A value as a document has it.
    pub fn stored(redacted: Option<&Json>, clear: Option<&Json>) -> Self {
        Self { redacted: redacted.cloned().unwrap_or_default(), clear: clear.cloned() }
    }

    /// A value that was made of redacted values, and of clear ones in the same way. What differs is secret.
    pub fn of(redacted: Json, clear: Json) -> Self {
        let redacted = merge(redacted, &clear);
        Self { redacted: clear, clear: None }.with(redacted)
    }

    /// Also hides what the schema marks as a secret.
    pub fn guard(self, schema: Option<&Document>) -> Self {
        let Some(schema) = schema else { return self };
        let redacted = redact(schema, &self.redacted);
        self.with(redacted)
    }

    /// Also hides the texts of `secrets`, wherever they are.
    pub fn hide(self, secrets: &SecretTexts) -> Self {
        if secrets.0.is_empty() {
            return self;
        }
        let redacted = secrets.redact(self.redacted.clone());
        self.with(redacted)
    }

    /// The value with another redacted form.
    fn with(self, redacted: Json) -> Self {
        let clear = self.clear.unwrap_or(self.redacted);
        Self { clear: (clear != redacted).then_some(clear), redacted }
    }

    /// The value in one of its forms.
    pub fn get(&self, form: ValueForm) -> &Json {
        match form {
            ValueForm::Redacted => &self.redacted,
            ValueForm::Clear => self.clear.as_ref().unwrap_or(&self.redacted),
        }
    }

    /// Rejects secrets that would be stored in plain text. `what` names the value.
    pub fn check_keys(&self, view: &View, what: &str) -> Result<()> {
        if self.clear.is_none() || view.encrypts() {
            return Ok(());
        }
        Err(missing_keys(what))
    }
}

/// The rejection of secrets in a store without keys.
pub fn missing_keys(what: &str) -> Rejection {
    let message = format!(
        "{what} has secrets, and this store has no keys to encrypt them; nothing was changed. Open it with keys: the variable \
         RUNSTATE_KEYS, or the option `keys`"
    );
    Rejection::domain(ErrorCode::KEY_MISSING, message)
}

/// The redacted value with `***` for each part that differs from the clear one. An object with other names is such a
/// part: a name may be secret.
fn merge(redacted: Json, clear: &Json) -> Json {
    match (redacted, clear) {
        (Json::Object(redacted), Json::Object(clear)) if redacted.keys().eq(clear.keys()) => {
            let members = redacted.into_iter().zip(clear.values());
            Json::Object(collect_document(members.map(|((name, redacted), clear)| (name, merge(redacted, clear)))))
        }
        (Json::Array(redacted), Json::Array(clear)) if redacted.len() == clear.len() => {
            redacted.into_iter().zip(clear).map(|(redacted, clear)| merge(redacted, clear)).collect()
        }
        (redacted, clear) if redacted == *clear => redacted,
        _ => REDACTED.into(),
    }
}

/// The texts and numbers of secrets.
#[derive(Clone, Debug, Default)]
pub struct SecretTexts(Vec<String>);

impl SecretTexts {
    /// Those of a value.
    pub fn of(value: &GuardedValue) -> Self {
        let mut texts = Vec::new();
        if let Some(clear) = &value.clear {
            collect_texts(&value.redacted, clear, &mut texts);
        }
        texts.retain(|text| text.len() >= SEARCHED_BYTES);
        // The longest first: a secret may contain another one.
        sort_by(&mut texts, |a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self(texts)
    }

    /// The value with `***` in place of each of these texts.
    pub fn redact(&self, value: Json) -> Json {
        if self.0.is_empty() {
            return value;
        }
        match value {
            Json::String(text) => self.redact_text(text).into(),
            Json::Number(number) if self.0.contains(&number.to_string()) => REDACTED.into(),
            Json::Array(list) => list.into_iter().map(|item| self.redact(item)).collect(),
            Json::Object(members) => {
                let member = |(name, value)| (self.redact_text(name), self.redact(value));
                Json::Object(collect_document(members.into_iter().map(member)))
            }
            other => other,
        }
    }

    fn redact_text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| match text.contains(secret) {
            true => text.replace(secret, REDACTED),
            false => text,
        })
    }
}

/// Adds the texts and numbers of `clear` that are not shown.
fn collect_texts(redacted: &Json, clear: &Json, texts: &mut Vec<String>) {
    match clear {
        Json::Object(members) => {
            let shown = |name: &str| redacted.get(name).unwrap_or(&Json::Null);
            // The whole object is secret, its names too.
            if !redacted.is_object() {
                texts.extend(members.keys().cloned());
            }
            members.iter().for_each(|(name, value)| collect_texts(shown(name), value, texts));
        }
        Json::Array(list) => {
            let shown = |index: usize| redacted.get(index).unwrap_or(&Json::Null);
            list.iter().enumerate().for_each(|(index, value)| collect_texts(shown(index), value, texts));
        }
        Json::String(text) if redacted != clear => texts.push(text.clone()),
        Json::Number(number) if redacted != clear => texts.push(number.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{GuardedValue, SecretTexts};

    #[test]
    fn what_differs_between_the_forms_is_hidden() {
        let redacted =
            json!({"a": "***", "user": null, "list": ["***", 1], "short": [1], "same": {"x": 1}, "m": {"***": 1}});
        let clear =
            json!({"a": {"k": "s"}, "user": "ada", "list": [2, 1], "short": [1, 2], "same": {"x": 1}, "m": {"key": 1}});
        let value = GuardedValue::of(redacted, clear.clone());
        let shown =
            json!({"a": "***", "user": "***", "list": ["***", 1], "short": "***", "same": {"x": 1}, "m": "***"});
        assert_eq!((value.redacted, value.clear), (shown, Some(clear)));
        assert_eq!(GuardedValue::of(json!({"a": 1}), json!({"a": 1})).clear, None);
    }

    #[test]
    fn texts_of_secrets_are_hidden_wherever_they_are() {
        let secret = GuardedValue::of(json!({"a": "***", "b": "***"}), json!({"a": ["hunter2", "x"], "b": 123456}));
        let secrets = SecretTexts::of(&secret);
        let echoed = json!({"m": "login x hunter2!", "n": [123456, 7], "hunter2": true});
        let value = GuardedValue { redacted: echoed.clone(), clear: None }.hide(&secrets);
        assert_eq!(secrets.redact(echoed.clone()), json!({"m": "login x ***!", "n": ["***", 7], "***": true}));
        assert_eq!(value.clear, Some(echoed));
        assert!(!value.redacted.to_string().contains("hunter2!"));
    }
}
