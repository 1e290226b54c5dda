//! The reference that `cargo xtask docs` writes, from the declarations.

use std::fmt::Write as _;

use runstate::domain;
use runstate::engine::ENGINE_OPERATIONS;
use runstate::error_code::{CodeDeclaration, ErrorCategory, ErrorCode};
use runstate::operation::{Description, Domain, OperationKind, Signature};
use runstate::schema::{Collection, Direction, Field, Index, IndexKind, Predicate, Presence, ShardKey, Ttl};
use serde_json::Value as Json;

const INTRODUCTION: &str = "# Reference

Everything that can be called and everything that is stored, from the declarations in the sources. `cargo xtask docs` writes this
page, and the gate compares it.

An operation has one name on all faces: `apps.step.list` is `rs.apps.step.list(…)` in JavaScript, the tool `apps_step_list` of
`runstate mcp`, and a command line whose words are listed. In JavaScript `cvm` is `rs.runs`, and `orchestration` is `rs.sessions`. Every
command of a domain also takes `commandId`: a repeat of it has no further effect and returns the first result. Times are milliseconds
since 1970, durations milliseconds.
";

/// The page.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut section = |title: &str, text: String| {
        let _ = write!(page, "\n## {title}\n{text}");
    };
    for domain in domain::ALL {
        section(
            &format!("Operations of `{}`", domain.name),
            operations(domain.operations.iter().map(|one| &one.signature)),
        );
    }
    section("Operations of the store and of due work", operations(ENGINE_OPERATIONS.iter().map(|one| &one.signature)));
    for domain in domain::ALL {
        section(
            &format!("Collections of `{}`", domain.name),
            domain.collections.iter().map(|one| collection(one)).collect(),
        );
    }
    let introduction = "The status after each command; `–`: the command is rejected and changes nothing.";
    for lifecycle in domain::ALL.iter().flat_map(|domain| domain.lifecycles) {
        let Some(table) = lifecycle.table else { continue };
        let (title, table) = (format!("Lifecycle of {}", lifecycle.entity), table());
        section(&title, format!("\n{introduction}\n\n{table}"));
    }
    for domain in domain::ALL {
        let Some(settings) = domain.settings else { continue };
        let schema = settings.schema();
        let introduction = "Options of `open` in JavaScript, and fields of the settings in Rust.";
        let table = properties(schema.as_value(), schema.as_value());
        section(&format!("Settings of `{}`", domain.name), format!("\n{introduction}\n{table}"));
    }
    section("Error codes", error_codes(domain::ALL));
    page
}

fn operations<'a>(signatures: impl Iterator<Item = &'a Signature>) -> String {
    signatures.filter_map(|signature| Some(operation(signature, &signature.description?()))).collect()
}

fn operation(signature: &Signature, description: &Description) -> String {
    let kind = match signature.kind {
        OperationKind::Command => "Command",
        OperationKind::Query => "Query",
    };
    let mut text = format!("\n### `{}`\n\n{}\n\n", signature.name, paragraphs(description.documentation));
    let _ = writeln!(text, "{kind}. Command line: `runstate {}`.\n", description.command_line);
    let parameters = (description.parameters)().to_value();
    if signature.parameters.is_empty() {
        text += "No parameters.\n";
    } else {
        text += "| parameter | type | | meaning |\n|---|---|---|---|\n";
    }
    for parameter in signature.parameters {
        let schema = &parameters["properties"][parameter.name];
        let required = if parameter.required { "required" } else { "" };
        let meaning = schema["description"].as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{}` | {} | {required} | {} |",
            parameter.name,
            type_name(schema, &parameters),
            cell(meaning)
        );
    }
    let result = (description.result)().to_value();
    let _ = writeln!(text, "\nResult: {}.", type_name(&result, &result));
    let mut listed = vec![&result];
    if let Some(items) = result["properties"].get("items").map(|items| resolve(&items["items"], &result)) {
        listed = vec![items];
    }
    for object in listed {
        text += &properties(object, &result);
    }
    text
}

/// The properties of a result, or of the rows of a page.
fn properties(object: &Json, root: &Json) -> String {
    let Some(properties) = object["properties"].as_object().filter(|all| !all.is_empty()) else { return String::new() };
    let mut text = "\n| property | type | meaning |\n|---|---|---|\n".to_owned();
    for (name, schema) in properties {
        let meaning = schema["description"].as_str().unwrap_or_default();
        let _ = writeln!(text, "| `{name}` | {} | {} |", type_name(schema, root), cell(meaning));
    }
    text
}

fn resolve<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    let path = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

/// The type of a value in a few words.
fn type_name(schema: &Json, root: &Json) -> String {
    let all = |variants: &[Json]| {
        let names: Vec<String> = variants.iter().map(|one| type_name(one, root)).collect();
        names.join(" or ")
    };
    let word = |value: &Json| value.as_str().map_or_else(|| "null".to_owned(), |word| format!("`{word}`"));
    let schema = match schema["$ref"].as_str() {
        Some(path) => {
            let target = resolve(schema, root);
            match (target["type"].as_str(), path.rsplit('/').next()) {
                (Some("object"), Some(name)) => return format!("object {name}"),
                _ => target,
            }
        }
        None => schema,
    };
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(word).collect::<Vec<_>>().join(" or ");
    }
    if !schema["const"].is_null() {
        return word(&schema["const"]);
    }
    if let Some(variants) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        return all(variants);
    }
    match (&schema["type"], schema["format"].as_str()) {
        (_, Some("epoch-ms")) => "time".to_owned(),
        (_, Some("duration-ms")) => "duration".to_owned(),
        (Json::String(name), _) if name == "array" => format!("list of {}", type_name(&schema["items"], root)),
        (Json::String(name), _) if name == "object" && schema["properties"].get("items").is_some() => {
            format!("page of {}", type_name(&schema["properties"]["items"]["items"], root))
        }
        (Json::String(name), _) => name.clone(),
        (Json::Array(names), _) => {
            let name = |name: &str| match name {
                "array" => format!("list of {}", type_name(&schema["items"], root)),
                name => name.to_owned(),
            };
            names.iter().filter_map(Json::as_str).map(name).collect::<Vec<_>>().join(" or ")
        }
        _ => "any JSON value".to_owned(),
    }
}

fn collection(collection: &Collection) -> String {
    let mut text = format!("\n### `{}`\n", collection.name);
    if collection.detached.is_some() {
        text += "\nA time series: rows are inserted and expire.\n";
    } else if collection.insert_only {
        text += "\nDocuments are inserted and deleted, never changed.\n";
    }
    text += "\n| field | kind | | values |\n|---|---|---|---|\n";
    for Field { name, kind, format, presence, values, max_bytes, .. } in collection.fields {
        let presence = match presence {
            Presence::Required => "required".to_owned(),
            Presence::Optional => String::new(),
            Presence::Default(value) => format!("default {value:?}"),
        };
        let mut limits: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        limits.extend(format.map(|format| format.to_string()));
        limits.extend((*max_bytes > 0).then(|| format!("at most {max_bytes} bytes")));
        let _ = writeln!(
            text,
            "| `{name}` | {} | {presence} | {} |",
            format!("{kind:?}").to_lowercase(),
            limits.join(", ")
        );
    }
    if !collection.indexes.is_empty() {
        text += "\nIndexes:\n\n";
        collection.indexes.iter().for_each(|one| text += &index(one));
    }
    for reference in collection.references() {
        let part = if reference.part { "; the document is a part of it" } else { "" };
        let _ = write!(text, "\n`{}` is an id of `{}`{part}.\n", reference.field, reference.collection);
    }
    match collection.shard {
        Some(ShardKey::HashedId) => text += "\nShard key in MongoDB: a hash of the id.\n",
        Some(ShardKey::Ranged(field)) => {
            let _ = write!(text, "\nShard key in MongoDB: `{field}`.\n");
        }
        None => {}
    }
    match &collection.ttl {
        Some(Ttl { field, after, partial }) => {
            let _ = write!(
                text,
                "\nA document expires {} days after `{field}`{}.\n",
                after.0 / 86_400_000,
                condition(partial.as_ref())
            );
        }
        None => text += "\nDocuments do not expire by themselves.\n",
    }
    text
}

fn index(index: &Index) -> String {
    let field = |(name, direction): &(&str, Direction)| match direction {
        Direction::Ascending => format!("`{name}`"),
        Direction::Descending => format!("`{name}` descending"),
    };
    let fields: Vec<String> = index.fields.iter().map(field).collect();
    let kind = match index.kind {
        IndexKind::Ordered => String::new(),
        other => format!(", {}", format!("{other:?}").to_lowercase()),
    };
    let unique = if index.unique { ", unique" } else { "" };
    format!("- {}{kind}{unique}{}\n", fields.join(", "), condition(index.partial.as_ref()))
}

fn condition(predicate: Option<&Predicate>) -> String {
    predicate.map_or_else(String::new, |predicate| format!(", where {predicate:?}"))
}

fn error_codes(domains: &[&Domain]) -> String {
    let mut text = String::new();
    let kinds = [
        (ErrorCategory::Rejected, 5, "The command was rejected: nothing was changed."),
        (ErrorCategory::Usage, 2, "The caller made a mistake that no state of the store can make valid."),
        (ErrorCategory::Store, 4, "The store cannot do its work, or the library has a defect."),
    ];
    for (kind, exit, meaning) in kinds {
        let _ = write!(
            text,
            "\n{meaning} The command line ends with exit code {exit}.\n\n| code | meaning | domain |\n|---|---|---|\n"
        );
        let declared = domains.iter().flat_map(|domain| domain.codes.iter().map(|code| (code, domain.name)));
        let all = ErrorCode::CORE.iter().map(|code| (code, "")).chain(declared);
        for (CodeDeclaration { code, description }, domain) in
            all.filter(|(declared, _)| declared.code.category() == kind)
        {
            let _ = writeln!(text, "| `{code}` | {} | {domain} |", cell(description));
        }
    }
    text
}

/// The text of a cell: one line.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Paragraphs of one line each; rows of tables keep their lines.
fn paragraphs(documentation: &str) -> String {
    let joined = |paragraph: &str| {
        let is_table = paragraph.trim_start().starts_with('|');
        paragraph.trim().lines().map(str::trim).collect::<Vec<_>>().join(if is_table { "\n" } else { " " })
    };
    documentation.trim().split("\n\n").map(joined).collect::<Vec<_>>().join("\n\n")
}
