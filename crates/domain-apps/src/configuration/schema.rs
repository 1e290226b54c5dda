//! JSON Schemas of inputs, outputs and metadata. A property with `"x-secret": true` is a secret.

use runstate_core::limits::SCHEMA_CHECK_STEPS;
use runstate_core::prelude::*;
use runstate_value::collect_document;

use super::definition::Configuration;
use crate::secret::{REDACTED, missing_keys};

/// The keyword that marks a secret.
const SECRET: &str = "x-secret";

/// How many references and combinations of schemas may apply to one value.
const MAX_REFERENCES: u32 = 32;

/// Checks a value by its schema, if there is one. Returns the path of the first mismatch below `name`, and the reason,
/// which does not contain the value.
pub fn schema_mismatch(
    view: &View,
    schema: Option<&Document>,
    name: &str,
    value: &Json,
) -> Result<Option<(String, String)>> {
    let Some(schema) = schema else { return Ok(None) };
    let invalid = |reason| Rejection::Invalid { field: format!("the schema of {name}"), reason };
    let plain = without_marks(schema).map_err(invalid)?;
    let found = (view.schemas()?.mismatch)(&plain, value).map_err(invalid)?;
    Ok(found.map(|found| {
        let path = std::iter::once(name.to_owned()).chain(found.path).collect::<Vec<_>>().join(".");
        (path, format!("must be {}", found.expected))
    }))
}

/// The value with `***` in place of each secret of the schema. Null stays null.
pub fn redact(schema: &Document, value: &Json) -> Json {
    let mut redacted = value.clone();
    let mut redaction = Redaction { root: schema, steps: SCHEMA_CHECK_STEPS };
    redaction.apply(schema, &mut redacted, MAX_REFERENCES);
    redacted
}

impl Configuration {
    /// Its schemas and those of its steps, with their paths.
    fn schemas(&self) -> impl Iterator<Item = (String, &Document)> {
        let own =
            [("input_schema".to_owned(), &self.input_schema), ("metadata_schema".to_owned(), &self.metadata_schema)];
        let of_steps = self.steps.iter().enumerate().flat_map(|(index, step)| {
            let named = |name: &str| format!("steps[{index}].{name}");
            [
                (named("input_schema"), &step.input_schema),
                (named("output_schema"), &step.output_schema),
                (named("metadata_schema"), &step.metadata_schema),
            ]
        });
        own.into_iter().chain(of_steps).filter_map(|(field, schema)| Some((field, schema.as_ref()?)))
    }

    /// Rejects marks of secrets in a store that would keep them in plain text.
    pub fn check_keys(&self, view: &View) -> Result<()> {
        if view.encrypts() {
            return Ok(());
        }
        match self.schemas().find(|(_, schema)| marks_secrets(schema)) {
            Some((field, _)) => Err(missing_keys(&format!("`{field}` of the configuration"))),
            None => Ok(()),
        }
    }

    /// Checks its schemas.
    pub fn check_schemas(&self, view: &View) -> Result<()> {
        for (field, schema) in self.schemas() {
            let checked = without_marks(schema).map(|plain| view.schemas().map(|port| (port.check)(&plain)));
            let invalid = |reason| Rejection::Invalid { field: format!("configuration.{field}"), reason };
            checked.map_err(invalid)??.map_err(invalid)?;
        }
        Ok(())
    }
}

/// Whether the schema marks a secret, at any depth.
fn marks_secrets(schema: &Document) -> bool {
    let is_marked = |schema: &Json| schema.as_object().is_some_and(marks_secrets);
    schema.iter().any(|(keyword, value)| match (keyword.as_str(), value) {
        (SECRET, mark) => *mark == Json::Bool(true),
        ("properties" | "$defs", Json::Object(members)) => members.values().any(is_marked),
        ("items" | "additionalProperties", schema) => is_marked(schema),
        ("anyOf" | "oneOf" | "allOf", Json::Array(schemas)) => schemas.iter().any(is_marked),
        _ => false,
    })
}

/// The schema without its marks of secrets, which JSON Schema does not have.
fn without_marks(schema: &Document) -> Result<Json, String> {
    let mut plain = Document::new();
    for (keyword, value) in schema {
        let below = |value: &Json| match value {
            Json::Object(schema) => without_marks(schema),
            other => Ok(other.clone()),
        };
        let value = match (keyword.as_str(), value) {
            (SECRET, Json::Bool(_)) => continue,
            (SECRET, _) => return Err(format!("`{SECRET}` is true or false")),
            ("properties" | "$defs", Json::Object(members)) => {
                let members = members.iter().map(|(name, schema)| Ok((name.clone(), below(schema)?)));
                Json::Object(collect_document(members.collect::<Result<Vec<_>, String>>()?))
            }
            ("items" | "additionalProperties", schema) => below(schema)?,
            ("anyOf" | "oneOf" | "allOf", Json::Array(schemas)) => {
                Json::Array(schemas.iter().map(below).collect::<Result<_, _>>()?)
            }
            (_, value) => value.clone(),
        };
        plain.insert(keyword.clone(), value);
    }
    Ok(Json::Object(plain))
}

/// Replaces secrets. All schemas that may apply to a value do: what any of them marks is a secret.
struct Redaction<'a> {
    root: &'a Document,
    /// Schemas that may still be applied. What is left then is a secret.
    steps: u64,
}

impl<'a> Redaction<'a> {
    fn apply(&mut self, schema: &Document, value: &mut Json, references: u32) {
        let is_marked = schema.get(SECRET).and_then(Json::as_bool) == Some(true);
        if value.is_null() || *value == REDACTED {
            return;
        }
        if is_marked || self.steps == 0 || references == 0 {
            *value = REDACTED.into();
            return;
        }
        self.steps -= 1;
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            match self.definition(reference) {
                Some(definition) => self.apply(definition, value, references - 1),
                None => *value = REDACTED.into(),
            }
        }
        for combination in ["anyOf", "oneOf", "allOf"] {
            let schemas = schema.get(combination).and_then(Json::as_array).into_iter().flatten();
            for schema in schemas.filter_map(Json::as_object) {
                self.apply(schema, value, references - 1);
            }
        }
        match value {
            Json::Object(members) => {
                let properties = schema.get("properties").and_then(Json::as_object);
                let others = schema.get("additionalProperties").and_then(Json::as_object);
                for (name, member) in members.iter_mut() {
                    let declared = properties.and_then(|properties| properties.get(name));
                    let schema = declared.map_or(others, Json::as_object);
                    if let Some(schema) = schema {
                        self.apply(schema, member, MAX_REFERENCES);
                    }
                }
            }
            Json::Array(list) => {
                if let Some(schema) = schema.get("items").and_then(Json::as_object) {
                    list.iter_mut().for_each(|item| self.apply(schema, item, MAX_REFERENCES));
                }
            }
            _ => {}
        }
    }

    /// The schema to which `$ref` refers.
    fn definition(&self, reference: &str) -> Option<&'a Document> {
        match reference.strip_prefix("#/$defs/") {
            Some(name) => {
                let name = name.replace("~1", "/").replace("~0", "~");
                self.root.get("$defs")?.as_object()?.get(&name)?.as_object()
            }
            None => (reference == "#").then_some(self.root),
        }
    }
}

#[cfg(test)]
mod tests {
    use runstate_value::Json;
    use serde_json::json;

    use super::{marks_secrets, redact, without_marks};

    fn redacted(schema: &Json, value: &Json) -> Json {
        redact(schema.as_object().unwrap(), value)
    }

    #[test]
    fn what_any_applicable_schema_marks_is_replaced() {
        let secret = json!({"type": "string", "x-secret": true});
        let schema = json!({
            "$defs": {"login": {"properties": {"password": secret}}, "tree": {
                "properties": {"key": secret}, "additionalProperties": {"$ref": "#/$defs/tree"}}},
            "properties": {
                "login": {"$ref": "#/$defs/login"},
                "either": {"anyOf": [{"type": "integer"}, {"properties": {"pin": secret}}]},
                "list": {"items": {"allOf": [{"properties": {"token": secret}}]}},
                "tree": {"$ref": "#/$defs/tree"},
                "x-secret": {"type": "string"},
                "whole": secret,
            },
            "additionalProperties": {"x-secret": true},
        });
        let value = json!({
            "login": {"user": "ada", "password": "p"},
            "either": {"pin": 12, "else": 1},
            "list": [{"token": "t"}, {"other": 1}, {"token": null}],
            "tree": {"a": {"b": {"key": "k", "c": {}}}},
            "x-secret": "shown",
            "whole": {"a": 1},
            "unknown": [1],
        });
        let shown = json!({
            "login": {"user": "ada", "password": "***"},
            "either": {"pin": "***", "else": 1},
            "list": [{"token": "***"}, {"other": 1}, {"token": null}],
            "tree": {"a": {"b": {"key": "***", "c": {}}}},
            "x-secret": "shown",
            "whole": "***",
            "unknown": "***",
        });
        assert_eq!(redacted(&schema, &value), shown);
        let plain = without_marks(schema.as_object().unwrap()).unwrap();
        assert_eq!(plain["properties"]["x-secret"], json!({"type": "string"}));
        assert_eq!(
            (&plain["properties"]["whole"], &plain["additionalProperties"]),
            (&json!({"type": "string"}), &json!({}))
        );
        assert!(marks_secrets(schema.as_object().unwrap()) && !marks_secrets(plain.as_object().unwrap()));
        assert!(without_marks(json!({"x-secret": "yes"}).as_object().unwrap()).is_err());
    }

    #[test]
    fn schemas_that_never_end_hide_the_whole_value() {
        let around = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
        assert_eq!(redacted(&around, &json!({"k": "v"})), json!("***"));
        let twice = json!([{"$ref": "#"}, {"$ref": "#"}]);
        assert_eq!(redacted(&json!({"anyOf": twice}), &json!({"k": "v"})), json!("***"));
    }
}
