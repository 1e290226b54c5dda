//! TypeScript interfaces for the documents of each collection, from its declaration.

use crate::domain;
use crate::engine::{self, Error};
use crate::schema::{Collection, Field, Kind, Presence};
use crate::store::COMMANDS;

/// The interfaces of all collections, and the table that maps a collection to its interface.
pub(super) fn document_interfaces() -> Result<String, Error> {
    let domain = domain::catalog().map_err(|e| Error::internal(e.to_string()))?;
    let catalog = engine::catalog(&domain)?;
    let collections: Vec<&Collection> = catalog.iter().chain([&COMMANDS as &'static Collection]).collect();
    let interfaces: Vec<String> = collections.iter().map(|collection| interface(collection)).collect();
    let names =
        collections.iter().map(|collection| format!("  \"{}\": {};\n", collection.name, interface_name(collection)));
    let table =
        "/** The documents of every collection. A document may hold further fields. */\nexport interface Documents {\n";
    Ok(format!("{}\n{table}{}}}\n", interfaces.join("\n"), names.collect::<String>()))
}

/// `CvmExecutionsDocument` of `cvm.executions`.
fn interface_name(collection: &Collection) -> String {
    let words = collection.name.split(['.', '_']);
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    words.map(capital).collect::<String>() + "Document"
}

fn interface(collection: &Collection) -> String {
    let fields = fields(collection, "", 1);
    let comment = format!("A document of `{}`, version {} of its schema.", collection.name, collection.version);
    format!("/** {comment} */\nexport interface {} {{\n{fields}}}\n", interface_name(collection))
}

/// The direct fields of the object at `path`.
fn fields(collection: &Collection, path: &str, depth: usize) -> String {
    let direct =
        |field: &&Field| field.name.strip_prefix(path).is_some_and(|rest| !rest.is_empty() && !rest.contains('.'));
    collection.fields.iter().filter(direct).map(|field| field_line(collection, field, path, depth)).collect()
}

fn field_line(collection: &Collection, field: &Field, path: &str, depth: usize) -> String {
    let (indent, name) = ("  ".repeat(depth), &field.name[path.len()..]);
    let field_text = match field.kind {
        Kind::Object => {
            let inner = fields(collection, &format!("{}.", field.name), depth + 1);
            // An object usually holds more than its declared fields.
            let others = "  [key: string]: unknown;";
            if inner.is_empty() {
                "{ [key: string]: Json }".to_owned()
            } else {
                format!("{{\n{inner}{indent}{others}\n{indent}}}")
            }
        }
        kind => field_type(kind, field.values),
    };
    let comment = match field.kind {
        Kind::Timestamp => format!("{indent}/** Milliseconds since 1970, UTC. */\n"),
        Kind::Decimal => format!("{indent}/** An exact decimal number. */\n"),
        _ => String::new(),
    };
    match field.presence {
        Presence::Required => format!("{comment}{indent}{name}: {field_text};\n"),
        Presence::Optional | Presence::Default(_) => format!("{comment}{indent}{name}?: {field_text} | null;\n"),
    }
}

fn field_type(kind: Kind, values: &[&str]) -> String {
    match kind {
        Kind::Text if !values.is_empty() => {
            values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(" | ")
        }
        Kind::Text | Kind::Id | Kind::Decimal => "string".to_owned(),
        Kind::Int | Kind::Float | Kind::Timestamp => "number".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::List => "Json[]".to_owned(),
        Kind::Json | Kind::Object => "Json".to_owned(),
    }
}
