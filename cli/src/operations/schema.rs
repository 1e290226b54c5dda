//! JSON Schemas of parameters and results, as far as a command line needs to understand them.

use serde_json::Value as Json;

/// A node of a schema, with the document whose definitions it refers to.
#[derive(Clone, Copy, Debug)]
pub struct ValueSchema<'a> {
    root: &'a Json,
    node: &'a Json,
    /// Whether a value may also be a list of values.
    or_list: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    Number,
    Flag,
    /// Milliseconds since 1970.
    Time,
    /// A number of milliseconds.
    Duration,
    /// One of these words, each with its documentation.
    Words(Vec<(String, String)>),
    List,
    Object,
    Any,
}

impl<'a> ValueSchema<'a> {
    pub fn new(root: &'a Json) -> Self {
        Self { root, node: root, or_list: false }.resolve()
    }

    fn at(self, node: &'a Json) -> Self {
        Self { node, or_list: false, ..self }.resolve()
    }

    /// Follows references, and looks through `or null` and `or a list of them`.
    fn resolve(mut self) -> Self {
        loop {
            if let Some(path) = self.node["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
                let Some(node) = self.root.pointer(path) else { return self };
                self.node = node;
                continue;
            }
            let Some(variants) = self.node["anyOf"].as_array() else { return self };
            match variants.iter().filter(|one| one["type"] != "null").collect::<Vec<_>>().as_slice() {
                [only] => self.node = only,
                [one, list] if list["type"] == "array" && list["items"] == **one => {
                    self.node = one;
                    self.or_list = true;
                }
                _ => return self,
            }
        }
    }

    pub fn kind(self) -> ValueKind {
        if let Some(words) = self.words() {
            return ValueKind::Words(words);
        }
        let named = match &self.node["type"] {
            Json::Array(types) => types.iter().filter_map(Json::as_str).find(|name| *name != "null"),
            other => other.as_str(),
        };
        match (named, self.node["format"].as_str()) {
            _ if is_time(self.node) => ValueKind::Time,
            (_, Some("duration-ms")) => ValueKind::Duration,
            (Some("string"), _) => ValueKind::Text,
            (Some("integer" | "number"), _) => ValueKind::Number,
            (Some("boolean"), _) => ValueKind::Flag,
            (Some("array"), _) => ValueKind::List,
            (Some("object"), _) => ValueKind::Object,
            _ => ValueKind::Any,
        }
    }

    fn words(self) -> Option<Vec<(String, String)>> {
        let text = |value: &Json| value.as_str().map(str::to_owned);
        if let Some(words) = self.node["enum"].as_array() {
            return words
                .iter()
                .filter(|word| !word.is_null())
                .map(|word| Some((text(word)?, String::new())))
                .collect();
        }
        let variants = self.node["oneOf"].as_array()?;
        let lists = variants.iter().map(|one| {
            let documentation = text(&one["description"]).unwrap_or_default();
            match &one["enum"] {
                // Variants without documentation share one list.
                Json::Array(words) => words.iter().map(|word| Some((text(word)?, documentation.clone()))).collect(),
                _ => Some(vec![(text(&one["const"])?, documentation)]),
            }
        });
        Some(lists.collect::<Option<Vec<_>>>()?.concat())
    }

    /// The alternatives, if the values may have several forms.
    pub fn variants(self) -> impl Iterator<Item = ValueSchema<'a>> {
        let lists = ["anyOf", "oneOf", "allOf"].map(|name| self.node[name].as_array());
        lists.into_iter().flatten().flatten().map(move |node| self.at(node))
    }

    /// The properties of an object: the required ones in the order of their declaration, then the others, then those of
    /// its variants.
    pub fn properties(self) -> Vec<(&'a str, ValueSchema<'a>)> {
        let required: Vec<&str> =
            self.node["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let position = |name: &str| required.iter().position(|one| *one == name).unwrap_or(usize::MAX);
        let named = self.node["properties"].as_object().into_iter().flatten();
        let mut properties: Vec<_> = named.map(|(name, node)| (name.as_str(), self.at(node))).collect();
        properties.sort_by_key(|(name, _)| position(name));
        for further in self.variants().flat_map(ValueSchema::properties) {
            if !properties.iter().any(|(name, _)| *name == further.0) {
                properties.push(further);
            }
        }
        properties
    }

    /// The property of this name, or of a path of names joined by `/`.
    pub fn property(self, path: &str) -> Option<ValueSchema<'a>> {
        path.split('/').try_fold(self, |schema, name| {
            let own = schema.node["properties"].get(name).map(|node| schema.at(node));
            own.or_else(|| schema.variants().find_map(|variant| variant.property(name)))
        })
    }

    /// Whether an object must have the property of this name.
    pub fn requires(self, name: &str) -> bool {
        self.node["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
    }

    /// Whether the values may be any text.
    pub fn takes_text(self) -> bool {
        let names_text = match &self.node["type"] {
            Json::Array(types) => types.iter().any(|name| name == "string"),
            name => name == "string",
        };
        (names_text && self.words().is_none() && self.node["const"].is_null())
            || self.variants().any(ValueSchema::takes_text)
    }

    /// Whether a value may also be a list of values of this schema.
    pub fn or_list(self) -> bool {
        self.or_list
    }

    /// The bounds of a number, if it has both.
    pub fn bounds(self) -> Option<(i64, i64)> {
        Some((self.node["minimum"].as_i64()?, self.node["maximum"].as_i64()?))
    }

    pub fn items(self) -> Option<ValueSchema<'a>> {
        self.node.get("items").map(|node| self.at(node))
    }

    pub fn members(self) -> Option<ValueSchema<'a>> {
        self.node.get("additionalProperties").filter(|node| node.is_object()).map(|node| self.at(node))
    }

    /// The schema of the rows, if the values are pages of rows.
    pub fn page_items(self) -> Option<ValueSchema<'a>> {
        self.property("next")?;
        self.property("items")?.items()
    }
}

pub fn is_time(schema: &Json) -> bool {
    schema["format"] == "epoch-ms"
}

/// The documentation of a property; references have theirs beside them.
pub fn documentation<'a>(root: &'a Json, property: &str) -> &'a str {
    root["properties"][property]["description"].as_str().unwrap_or_default()
}

/// The words of a name in camel case, in lower case, joined by `separator`.
pub fn split_words(name: &str, separator: char) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(separator);
        }
        text.push(if matches!(letter, '/' | '_' | '.') { separator } else { letter.to_ascii_lowercase() });
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_read_through_references_and_null() {
        let root = json!({
            "properties": {
                "status": { "anyOf": [{ "$ref": "#/$defs/Status" }, { "type": "null" }] },
                "at": { "type": ["integer", "null"], "format": "epoch-ms" },
                "answer": true,
            },
            "required": ["status", "at"],
            "$defs": { "Status": { "oneOf": [{ "const": "open", "description": "It waits." }, { "enum": ["closed"] }] } },
        });
        let schema = ValueSchema::new(&root);
        let kinds: Vec<_> = schema.properties().into_iter().map(|(name, schema)| (name, schema.kind())).collect();
        let words = vec![("open".to_owned(), "It waits.".to_owned()), ("closed".to_owned(), String::new())];
        assert_eq!(kinds, [("status", ValueKind::Words(words)), ("at", ValueKind::Time), ("answer", ValueKind::Any)]);
        assert_eq!(split_words("executionTimeMs", '-'), "execution-time-ms");
    }
}
