//! The tools as TypeScript, for the model that writes scripts. Constraints of their JSON Schemas are comments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rmcp::model::Tool;
use serde_json::{Map, Value as Json, json};

use super::config::{identifier, matches};
use super::servers::Tools;

/// Most bytes of the declarations of one search.
const SEARCH_BYTES: usize = 16 * 1024;

/// Most bytes of the declaration of a tool. The types behind them are `unknown`.
const TOOL_BYTES: usize = 4 * 1024;

/// Longest declaration of a tool, in bytes.
const DECLARATION_BYTES: usize = 4 * TOOL_BYTES;

/// Deepest type in another one. The types in it are `unknown`: a schema may refer to itself.
const LEVELS: usize = 6;

/// Most members of a union that are listed.
const MEMBERS: usize = 20;

/// Longest text in a comment, in characters.
const COMMENT_CHARS: usize = 400;

/// Room for the number of the tools that a line does not name, in bytes.
const MORE_BYTES: usize = 48;

/// Most parameters in a line that names a tool.
const PARAMETERS: usize = 6;

/// The words of a schema that limit a value, in the order of the comment.
const CONSTRAINTS: [&str; 14] = [
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contentEncoding",
    "default",
];

/// Most words of a query: each is looked for in all tools.
const QUERY_WORDS: usize = 32;

/// The declarations of the tools that fit a query best, and the number of the others that fit.
pub fn search(tools: &Tools, approve: &[String], query: &str, limit: usize) -> Json {
    let words: Vec<String> = split_words(query).collect();
    let mut found: Vec<(usize, &str, &Tool)> =
        tools.iter().map(|(kind, tool)| (score(kind, tool, &words), kind, tool)).collect();
    found.retain(|(score, ..)| *score > 0 || words.is_empty());
    // Names in order among those that fit equally.
    found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    let mut shown: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let (mut bytes, mut count) = (0, 0);
    for (_, kind, tool) in found.iter().take(limit) {
        let Some((namespace, name)) = kind.split_once('.') else { continue };
        let needs_approval = approve.iter().any(|pattern| matches(pattern, kind));
        let text = declaration(name, tool, needs_approval);
        bytes += text.len();
        if bytes > SEARCH_BYTES && count > 0 {
            break;
        }
        count += 1;
        shown.entry(namespace).or_default().insert(name, text);
    }
    let mut types = String::new();
    for (namespace, tools) in &shown {
        let all: String = tools.values().map(String::as_str).collect();
        _ = write!(types, "  {namespace}: {{\n{all}  }};\n");
    }
    let mut result = json!({ "types": format!("declare const tools: {{\n{types}}};"), "found": found.len() });
    if count < found.len() {
        result["more"] = json!(found.len() - count);
        result["hint"] = json!("use more words in `query`, or a higher `limit`");
    }
    result
}

/// The tools by namespace, one line each, in at most `budget` bytes.
pub fn overview<'a>(tools: &Tools, namespaces: impl Iterator<Item = &'a str>, budget: usize) -> String {
    let mut by_namespace: BTreeMap<&str, Vec<String>> = namespaces.map(|name| (name, Vec::new())).collect();
    for (kind, tool) in tools.iter() {
        let Some((namespace, name)) = kind.split_once('.') else { continue };
        by_namespace.entry(namespace).or_default().push(signature(name, tool));
    }
    // Each namespace has the same room. What one leaves belongs to those behind it, so the short ones are first.
    let mut namespaces: Vec<(&str, Vec<String>)> = by_namespace.into_iter().collect();
    namespaces.sort_by_key(|(_, tools)| tools.iter().map(String::len).sum::<usize>());
    let (mut text, mut hidden, count) = (String::new(), 0, namespaces.len());
    for (index, (namespace, tools)) in namespaces.iter().enumerate() {
        let room = budget.saturating_sub(text.len()) / (count - index);
        let mut line = format!("\n{namespace}:");
        if budget.saturating_sub(text.len()) < line.len() + MORE_BYTES {
            hidden += 1;
            continue;
        }
        let mut listed = 0;
        for tool in tools {
            if line.len() + tool.len() + 2 + MORE_BYTES > room {
                break;
            }
            _ = write!(line, "{} {tool}", if listed == 0 { "" } else { "," });
            listed += 1;
        }
        if listed < tools.len() {
            _ = write!(line, " … {} more: use search", tools.len() - listed);
        }
        text.push_str(&line);
    }
    if hidden > 0 {
        _ = write!(text, "\n… {hidden} more namespaces: use search");
    }
    text
}

/// `search(query, perPage?)`.
fn signature(name: &str, tool: &Tool) -> String {
    let empty = Map::new();
    let properties = tool.input_schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
    let is_required = |name: &String| requires(tool.input_schema.get("required"), name);
    let (required, optional): (Vec<&String>, Vec<&String>) = properties.keys().partition(|name| is_required(name));
    let required = required.into_iter().map(|name| key(name));
    let names: Vec<String> = required.chain(optional.into_iter().map(|name| key(name) + "?")).collect();
    let more = if names.len() > PARAMETERS { ", …" } else { "" };
    format!("{name}({}{more})", names[..names.len().min(PARAMETERS)].join(", "))
}

/// The name of a member as an object type has it.
fn key(name: &str) -> String {
    if name == identifier(name) { name.to_owned() } else { json!(name).to_string() }
}

fn requires(required: Option<&Json>, name: &str) -> bool {
    required.and_then(Json::as_array).is_some_and(|names| names.iter().any(|one| one == name))
}

/// The words of a query, as far as they count.
pub fn split_words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(QUERY_WORDS).map(str::to_lowercase)
}

/// How well a tool fits words: 4 for a word in its name, 1 for one in its description.
pub fn score(kind: &str, tool: &Tool, words: &[String]) -> usize {
    let kind = kind.to_lowercase();
    let texts = [tool.description.as_deref(), tool.title.as_deref()];
    let text = texts.into_iter().flatten().collect::<Vec<_>>().join(" ").to_lowercase();
    words.iter().map(|word| if kind.contains(word) { 4 } else { usize::from(text.contains(word)) }).sum()
}

fn declaration(name: &str, tool: &Tool, needs_approval: bool) -> String {
    let input = Json::Object((*tool.input_schema).clone());
    let mut writer = TypeWriter { root: &input, text: String::new(), room: TOOL_BYTES };
    let approval = if needs_approval { "Waits for the approval of a person." } else { "" };
    let description = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    writer.comment(&[shorten(description).as_str(), approval], 2);
    let has_arguments = input["properties"].as_object().is_some_and(|members| !members.is_empty());
    let is_optional = input["required"].as_array().is_none_or(Vec::is_empty);
    _ = write!(writer.text, "    {name}({}", if is_optional { "args?: " } else { "args: " });
    match has_arguments {
        true => writer.write(&input, 2, 0),
        false => writer.text.push_str("{}"),
    }
    let output = tool.output_schema.as_ref().map(|schema| Json::Object((**schema).clone()));
    writer.text.push_str("): Promise<");
    let mut text = writer.text;
    match &output {
        Some(root) => {
            let mut writer = TypeWriter { root, text, room: 2 * TOOL_BYTES };
            writer.write(root, 2, 0);
            text = writer.text;
        }
        None => text.push_str("unknown"),
    }
    text.push_str(">;\n");
    match text.len() {
        ..=DECLARATION_BYTES => text,
        _ => format!("    {name}(args?: unknown): Promise<unknown>; /* its types are too long */\n"),
    }
}

/// One line of a comment.
fn shorten(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("*/", "*\\/");
    match text.char_indices().nth(COMMENT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

struct TypeWriter<'a> {
    /// The document whose definitions the schemas refer to.
    root: &'a Json,
    text: String,
    /// The length of the text from which on types are `unknown`.
    room: usize,
}

impl<'a> TypeWriter<'a> {
    fn comment(&mut self, parts: &[&str], indent: usize) {
        let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        if !parts.is_empty() {
            _ = writeln!(self.text, "{}/** {} */", "  ".repeat(indent), parts.join(" "));
        }
    }

    fn write(&mut self, schema: &'a Json, indent: usize, level: usize) {
        if level > LEVELS || self.text.len() > self.room {
            return self.text.push_str("unknown");
        }
        if let Some(path) = schema["$ref"].as_str() {
            return match path.strip_prefix('#').and_then(|path| self.root.pointer(path)) {
                Some(target) => self.write(target, indent, level + 1),
                None => self.text.push_str("unknown"),
            };
        }
        if let Some(value) = schema.get("const") {
            return self.text.push_str(&value.to_string());
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.write_values(values);
        }
        for (word, sign) in [("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")] {
            if let Some(variants) = schema[word].as_array().filter(|variants| !variants.is_empty()) {
                return self.write_list(variants, sign, indent, level);
            }
        }
        match &schema["type"] {
            Json::Array(types) => {
                for (index, name) in types.iter().enumerate() {
                    self.text.push_str(if index > 0 { " | " } else { "" });
                    self.write_type(name.as_str().unwrap_or_default(), schema, indent, level);
                }
            }
            Json::String(name) => self.write_type(name, schema, indent, level),
            _ if schema["properties"].is_object() => self.write_type("object", schema, indent, level),
            _ => self.text.push_str(if *schema == Json::Bool(false) { "never" } else { "unknown" }),
        }
    }

    fn write_values(&mut self, values: &[Json]) {
        let listed: Vec<String> = values.iter().take(MEMBERS).map(Json::to_string).collect();
        self.text.push_str(&listed.join(" | "));
        if values.len() > MEMBERS {
            let kind = if values.iter().all(Json::is_string) { "string" } else { "unknown" };
            _ = write!(self.text, " | {kind} /* one of {} values */", values.len());
        }
    }

    fn write_list(&mut self, variants: &'a [Json], sign: &str, indent: usize, level: usize) {
        for (index, variant) in variants.iter().take(MEMBERS).enumerate() {
            self.text.push_str(if index > 0 { sign } else { "" });
            let is_compound = variant.get("anyOf").or(variant.get("oneOf")).or(variant.get("enum")).is_some();
            self.text.push_str(if is_compound { "(" } else { "" });
            self.write(variant, indent, level + 1);
            self.text.push_str(if is_compound { ")" } else { "" });
        }
        if variants.len() > MEMBERS {
            _ = write!(self.text, "{sign}unknown /* {} more */", variants.len() - MEMBERS);
        }
    }

    fn write_type(&mut self, name: &str, schema: &'a Json, indent: usize, level: usize) {
        match name {
            "string" | "boolean" | "null" => self.text.push_str(name),
            "number" | "integer" => self.text.push_str("number"),
            "array" => {
                self.text.push_str("Array<");
                self.write(&schema["items"], indent, level + 1);
                self.text.push('>');
            }
            "object" => match schema["properties"].as_object().filter(|members| !members.is_empty()) {
                Some(members) => self.write_members(members, schema, indent, level),
                None => {
                    self.text.push_str("Record<string, ");
                    self.write(&schema["additionalProperties"], indent, level + 1);
                    self.text.push('>');
                }
            },
            _ => self.text.push_str("unknown"),
        }
    }

    fn write_members(&mut self, members: &'a Map<String, Json>, schema: &Json, indent: usize, level: usize) {
        self.text.push_str("{\n");
        for (index, (name, member)) in members.iter().enumerate() {
            if self.text.len() > self.room {
                _ = writeln!(self.text, "{}/* {} more */", "  ".repeat(indent + 1), members.len() - index);
                break;
            }
            let description = shorten(member["description"].as_str().unwrap_or_default());
            self.comment(&[description.as_str(), &constraints(member)], indent + 1);
            let mark = if requires(schema.get("required"), name) { "" } else { "?" };
            _ = write!(self.text, "{}{}{mark}: ", "  ".repeat(indent + 1), key(name));
            self.write(member, indent + 1, level + 1);
            self.text.push_str(";\n");
        }
        _ = write!(self.text, "{}}}", "  ".repeat(indent));
    }
}

/// `minLength 1, maxLength 256`; of a list also those of its items.
fn constraints(schema: &Json) -> String {
    let listed = |schema: &Json, of: &str| -> Vec<String> {
        let words = CONSTRAINTS.iter().filter_map(|word| Some((word, schema.get(*word)?)));
        words.map(|(word, value)| format!("{of}{word} {}", shorten(&value.to_string()))).collect()
    };
    [listed(schema, ""), listed(&schema["items"], "items: ")].concat().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tool(input: Json, output: Option<Json>) -> Tool {
        let object = |value: Json| value.as_object().cloned().unwrap();
        let mut tool = Tool::new("t", "Finds it. */ x", object(input));
        tool.output_schema = output.map(|output| Arc::new(object(output)));
        tool
    }

    #[test]
    fn a_schema_is_a_type_with_its_constraints_as_comments() {
        let input = json!({
            "type": "object", "required": ["q"], "$defs": { "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } } },
            "properties": {
                "q": { "type": "string", "description": "The\n query.", "minLength": 1 },
                "sort-by": { "enum": ["a", 1, null] },
                "ids": { "type": "array", "items": { "type": ["integer", "null"], "minimum": 0 } },
                "any": {}, "map": { "type": "object", "additionalProperties": { "type": "boolean" } },
                "one": { "anyOf": [{ "const": "x" }, { "enum": [1, 2] }] },
            }
        });
        let text = declaration(
            "find",
            &tool(input, Some(json!({ "type": "object", "properties": { "n": { "type": "number" } } }))),
            true,
        );
        assert_eq!(
            text,
            r#"    /** Finds it. *\/ x Waits for the approval of a person. */
    find(args: {
      /** The query. minLength 1 */
      q: string;
      "sort-by"?: "a" | 1 | null;
      /** items: minimum 0 */
      ids?: Array<number | null>;
      any?: unknown;
      map?: Record<string, boolean>;
      one?: "x" | (1 | 2);
    }): Promise<{
      n?: number;
    }>;
"#
        );
        assert_eq!(declaration("f", &Tool::new("f", "", Map::new()), false), "    f(args?: {}): Promise<unknown>;\n");
    }

    #[test]
    fn a_schema_that_is_deep_or_wide_is_bounded() {
        let node =
            json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/N" }, "b": { "$ref": "#/$defs/N" } } });
        let deep = json!({ "type": "object", "$defs": { "N": node }, "properties": { "n": { "$ref": "#/$defs/N" } } });
        assert!(declaration("f", &tool(deep, None), false).len() < 2 * TOOL_BYTES);
        let own = json!({ "type": "object", "$defs": { "N": { "$ref": "#/$defs/N" } }, "properties": { "n": { "$ref": "#/$defs/N" } } });
        assert!(declaration("f", &tool(own, None), false).contains("n?: unknown"));
        let members: Map<String, Json> = (0..5_000).map(|n| (format!("m{n}"), json!({ "type": "string" }))).collect();
        let text = declaration("f", &tool(json!({ "type": "object", "properties": members }), None), false);
        assert!(text.len() < 2 * TOOL_BYTES && text.contains(" more */"), "{text}");
        let names: Vec<String> = (0..1_000).map(|n| format!("name {n}")).collect();
        let text = declaration("f", &tool(json!({ "properties": { "a": { "enum": names } } }), None), false);
        assert!(text.len() < 1_000 && text.contains("one of 1000 values"), "{text}");
    }

    #[test]
    fn a_search_is_bounded_and_says_how_many_more_there_are() {
        let kinds: Vec<String> = (0..3_000).map(|n| format!("big.tool_{n}")).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).chain(["small.refund"]).collect();
        let tools = Tools::of_names(&kinds);
        let found = search(&tools, &["small.*".to_owned()], "Refund!", 10);
        assert_eq!((&found["found"], found.get("more")), (&json!(1), None));
        assert!(found["types"].as_str().unwrap().contains("Waits for the approval"), "{found}");
        let found = search(&tools, &[], "tool", 5_000);
        assert!(found.to_string().len() < 2 * SEARCH_BYTES && found["more"].as_u64() > Some(1_000), "{found}");
        assert_eq!(search(&tools, &[], "nothing", 10)["found"], 0);
        assert_eq!(search(&tools, &[], "", 10)["more"], 2_991);
        assert_eq!(split_words(&"a ".repeat(10_000)).count(), QUERY_WORDS);
        let text = overview(&tools, ["big", "small", "down"].into_iter(), 2_000);
        assert!(
            text.len() <= 2_000 + MORE_BYTES && text.contains("\nsmall: refund()") && text.contains("\ndown:"),
            "{text}"
        );
        assert!(text.contains(" more: use search"), "{text}");
        let many: Vec<String> = (0..1_000).map(|n| format!("n{n}.t")).collect();
        let text =
            overview(&Tools::of_names(&many.iter().map(String::as_str).collect::<Vec<_>>()), std::iter::empty(), 2_000);
        assert!(text.len() <= 2_000 + MORE_BYTES && text.contains("more namespaces"), "{text}");
    }
}
