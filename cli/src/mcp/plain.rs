//! JSON Schemas in the form that clients commonly take: no references, no null, enumerations as `enum`, no formats but
//! those of dates and times, and for a value of any type how it is written. What they describe is the same, except that
//! a definition that contains itself has one level.

use runstate::value::Document;
use serde_json::{Value as Json, json};

/// How a value of any type is written.
pub const ANY: &str = "Any JSON, written as it is and not in a text.";

/// The plain form of a schema.
pub fn plain_schema(schema: &Json) -> Document {
    PlainWriter { root: schema, inside: Vec::new() }.write(schema)
}

struct PlainWriter<'a> {
    /// The document whose definitions the schemas refer to.
    root: &'a Json,
    /// The definitions that are being written.
    inside: Vec<&'a str>,
}

impl<'a> PlainWriter<'a> {
    fn write(&mut self, schema: &'a Json) -> Document {
        let variants = ["anyOf", "oneOf"].iter().filter_map(|word| schema[*word].as_array()).flatten();
        let forms: Vec<Document> =
            variants.filter(|form| form["type"] != "null").map(|form| self.write(form)).collect();
        let mut plain = match schema["$ref"].as_str() {
            Some(path) => self.write_definition(path),
            None if forms.is_empty() => self.write_members(schema),
            None => unite(forms),
        };
        if let Some(text) = schema["description"].as_str() {
            let of_words = plain.get("description").filter(|_| plain.contains_key("enum")).and_then(Json::as_str);
            let text = [text, of_words.unwrap_or_default()].join(" ");
            plain.insert("description".to_owned(), one_line(&text).into());
        }
        if !["type", "anyOf", "enum"].iter().any(|word| plain.contains_key(*word)) {
            let text = plain.get("description").and_then(Json::as_str).unwrap_or_default();
            let text = one_line(&[text.trim_end_matches(ANY), ANY].join(" "));
            plain.insert("description".to_owned(), text.into());
        }
        plain
    }

    fn write_definition(&mut self, path: &'a str) -> Document {
        match self.root.pointer(path.trim_start_matches('#')) {
            Some(definition) if !self.inside.contains(&path) => {
                self.inside.push(path);
                let plain = self.write(definition);
                self.inside.pop();
                plain
            }
            _ => {
                let name = path.rsplit('/').next().unwrap_or_default();
                document(json!({ "description": format!("Another {name}, as the one around it.") }))
            }
        }
    }

    fn write_members(&mut self, schema: &'a Json) -> Document {
        let mut plain = Document::new();
        for (word, value) in schema.as_object().into_iter().flatten() {
            let kept: Json = match (word.as_str(), value) {
                ("properties", Json::Object(members)) => {
                    members.iter().map(|(name, member)| (name.clone(), Json::Object(self.write(member)))).collect()
                }
                ("items", value) => self.write(value).into(),
                ("additionalProperties", Json::Object(_)) => self.write(value).into(),
                // A list of a fixed length.
                ("prefixItems", Json::Array(items)) => {
                    let types: Vec<&str> = items.iter().map(|one| one["type"].as_str().unwrap_or("any")).collect();
                    let text = format!("In this order: {}. {ANY}", types.join(", "));
                    plain.insert("items".to_owned(), json!({ "description": text }));
                    continue;
                }
                ("const", value) => {
                    plain.insert("enum".to_owned(), json!([value]));
                    continue;
                }
                ("enum", Json::Array(words)) => words.iter().filter(|word| !word.is_null()).cloned().collect(),
                ("type", Json::Array(types)) => match &*types.iter().filter(|one| *one != "null").collect::<Vec<_>>() {
                    [one] => (*one).clone(),
                    several => {
                        let forms: Json = several.iter().map(|one| json!({ "type": one })).collect();
                        plain.insert("anyOf".to_owned(), forms);
                        continue;
                    }
                },
                ("format", value) if !matches!(value.as_str(), Some("date" | "date-time")) => continue,
                ("required", Json::Array(names)) if names.is_empty() => continue,
                ("$defs" | "$schema" | "title" | "description" | "anyOf" | "oneOf", _) => continue,
                _ => value.clone(),
            };
            plain.insert(word.clone(), kept);
        }
        plain
    }
}

/// The schema of the values that have one of these forms.
fn unite(mut forms: Vec<Document>) -> Document {
    match forms.as_slice() {
        [_] => return forms.remove(0),
        // A value or a list of such values.
        [one, list] if list.get("items").and_then(Json::as_object) == Some(one) => return forms.remove(1),
        _ => {}
    }
    let is_text = |form: &&Document| form.get("type").is_some_and(|name| name == "string");
    let words = |form: &Document| Some(form).filter(is_text)?.get("enum")?.as_array().cloned();
    let Some(words) = forms.iter().map(words).collect::<Option<Vec<_>>>() else {
        return document(json!({ "anyOf": forms }));
    };
    let describe = |form: &Document| {
        let (word, text) = (form.get("enum")?.get(0)?.as_str()?, form.get("description")?.as_str()?);
        Some(format!("{word}: {text}"))
    };
    let texts: Vec<String> = forms.iter().filter_map(describe).collect();
    let mut plain = document(json!({ "type": "string", "enum": words.concat() }));
    if !texts.is_empty() {
        plain.insert("description".to_owned(), texts.join(" ").into());
    }
    plain
}

pub fn document(value: Json) -> Document {
    match value {
        Json::Object(members) => members,
        _ => Document::new(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_nulls_and_constants_become_plain() {
        let schema = json!({
            "type": "object",
            "properties": {
                "level": { "anyOf": [{ "$ref": "#/$defs/Level" }, { "type": "null" }], "description": "The\nlevel." },
                "limit": { "type": ["integer", "null"], "format": "uint32", "minimum": 0 },
                "slot": { "type": ["integer", "string"] },
                "status": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, { "type": "null" }] },
                "at": { "type": ["string", "null"], "format": "date-time" },
                "answer": { "description": "The answer." },
                "all": { "type": "array", "items": true },
                "where": { "$ref": "#/$defs/Filter" },
            },
            "required": [],
            "additionalProperties": false,
            "$defs": {
                "Level": { "oneOf": [
                    { "type": "string", "const": "off", "description": "No rows." }, { "type": "string", "enum": ["on", null] },
                ] },
                "Filter": { "oneOf": [
                    { "type": "string", "const": "all" },
                    { "type": "object", "properties": { "not": { "$ref": "#/$defs/Filter" } } },
                    { "type": "object", "properties": { "eq": { "type": "array", "prefixItems": [{ "type": "string" }, true], "minItems": 2 } } },
                ] },
            },
        });
        let any = json!({ "description": ANY });
        let pair = json!({ "description": format!("In this order: string, any. {ANY}") });
        let expected = json!({
            "type": "object",
            "properties": {
                "level": { "type": "string", "enum": ["off", "on"], "description": "The level. off: No rows." },
                "limit": { "type": "integer", "minimum": 0 },
                "slot": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                "status": { "type": "array", "items": { "type": "string" } },
                "at": { "type": "string", "format": "date-time" },
                "answer": { "description": format!("The answer. {ANY}") },
                "all": { "type": "array", "items": any },
                "where": { "anyOf": [
                    { "type": "string", "enum": ["all"] },
                    { "type": "object", "properties": {
                        "not": { "description": format!("Another Filter, as the one around it. {ANY}") },
                    } },
                    { "type": "object", "properties": { "eq": { "type": "array", "items": pair, "minItems": 2 } } },
                ] },
            },
            "additionalProperties": false,
        });
        assert_eq!(Json::Object(plain_schema(&schema)), expected);
    }
}
