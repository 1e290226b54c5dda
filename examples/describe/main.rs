//! Prints all that the library declares as one JSON value: operations, error codes, documents, and the other types of
//! its interface to JavaScript. Types are JSON Schemas (draft 2020-12). A generator of a client in another language
//! reads it, as `cargo xtask generate` does for TypeScript. With the word `reference` it prints the reference in
//! Markdown.
//!
//! `cargo run -p runstate --example describe --features schema,compiler,wasm,wasm-compiler`

mod reference;

use std::error::Error;

use runstate::domain;
use runstate::domain::apps::StepWork;
use runstate::domain::cvm::Work;
use runstate::engine::Progress;
use runstate::engine::{self, ENGINE_OPERATIONS, SETTINGS};
use runstate::error_code::ErrorCode;
use runstate::operation::{OperationKind, Registry, SettingsDeclaration, Signature};
use runstate::schema::{Collection, Field, Kind, Presence};
use runstate::store::COMMANDS;
use runstate::work::WorkerEvent;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new(domain::ALL)?;
    if std::env::args().nth(1).as_deref() == Some("reference") {
        print!("{}", reference::page());
        return Ok(());
    }
    let own = ENGINE_OPERATIONS.iter().map(|one| &one.signature);
    let signatures = own.chain(registry.operations().map(|one| &one.signature));
    let operations = signatures.filter_map(|one| with_command_id(operation(one)?));
    let codes = ErrorCode::CORE.iter().chain(registry.domains().iter().flat_map(|domain| domain.codes));
    let catalog = engine::catalog(registry.catalog())?;
    let collections = catalog.iter().chain([&COMMANDS as &'static Collection]);
    let description = json!({
        "operations": operations.collect::<Vec<_>>(),
        "codes": codes
            .map(|code| {
                let category = format!("{:?}", code.code.category()).to_lowercase();
                json!({"code": code.code.as_str(), "description": code.description.trim(), "category": category})
            })
            .collect::<Vec<_>>(),
        "settings": registry.domains().iter().filter_map(|domain| domain.settings).chain([&SETTINGS]).map(SettingsDeclaration::schema).collect::<Vec<_>>(),
        "documents": collections.map(document).collect::<Vec<_>>(),
        "types": [
            result_type::<runstate::blob::CollectReport>(),
            result_type::<runstate::transfer::ImportReport>(),
            result_type::<Progress>(),
            result_type::<WorkerEvent<'static, Work>>(),
            result_type::<WorkerEvent<'static, StepWork>>(),
            result_type::<runstate_wasm_compiler::CompiledSource>(),
            result_type::<runstate::lang::Diagnostic>(),
        ],
    });
    println!("{description:#}");
    Ok(())
}

/// An operation; none in a build without schemas.
fn operation(signature: &Signature) -> Option<Value> {
    let description = (signature.description?)();
    let names = |wanted: fn(&runstate::operation::ParameterDeclaration) -> bool| -> Vec<&str> {
        signature.parameters.iter().filter(|one| wanted(one)).map(|one| one.name).collect()
    };
    Some(json!({
        "name": signature.name,
        "kind": match signature.kind { OperationKind::Command => "command", OperationKind::Query => "query" },
        "documentation": description.documentation.trim(),
        "commandLine": description.command_line,
        "subjects": names(|parameter| parameter.subject),
        "parameters": (description.parameters)(),
        "result": (description.result)(),
    }))
}

/// Every command of a domain also takes the id of the command.
fn with_command_id(mut operation: Value) -> Option<Value> {
    if operation["kind"] == "command" {
        let comment = "The id of the command. A repeat of the id returns the first result. By default every call is a new command.";
        operation["parameters"]["properties"]["commandId"] = json!({"type": "string", "description": comment});
    }
    Some(operation)
}

/// A type that crosses the interface, as it is written.
fn result_type<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The documents of a collection. They may have further fields.
fn document(collection: &'static Collection) -> Value {
    let mut schema = object(collection, "");
    let comment = format!("A document of `{}`, version {} of its schema.", collection.name, collection.version);
    schema.insert("description".to_owned(), comment.into());
    json!({"collection": collection.name, "schema": schema})
}

/// The object at `path`: the empty text, or a path that ends with a dot.
fn object(collection: &Collection, path: &str) -> Map<String, Value> {
    let direct =
        |field: &&Field| field.name.strip_prefix(path).is_some_and(|rest| !rest.is_empty() && !rest.contains('.'));
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in collection.fields.iter().filter(direct) {
        let name = &field.name[path.len()..];
        properties.insert(name.to_owned(), property(collection, field));
        if matches!(field.presence, Presence::Required) {
            required.push(name);
        }
    }
    let schema =
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": true});
    schema.as_object().cloned().unwrap_or_default()
}

fn property(collection: &Collection, field: &Field) -> Value {
    let mut schema = match field.kind {
        Kind::Text if !field.values.is_empty() => json!({"type": "string", "enum": field.values}),
        Kind::Text | Kind::Id => json!({"type": "string"}),
        Kind::Decimal => json!({"type": "string", "description": "An exact decimal number."}),
        Kind::Int | Kind::Float => json!({"type": "number"}),
        Kind::Timestamp => json!({"type": "number", "description": "Milliseconds since 1970, UTC."}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::List => json!({"type": "array"}),
        Kind::Json => json!(true),
        Kind::Object => Value::Object(object(collection, &format!("{}.", field.name))),
    };
    if let (Some(format), Some(schema)) = (field.format, schema.as_object_mut()) {
        schema.extend(format.keywords());
    }
    if let (false, Some(schema)) = (matches!(field.presence, Presence::Required), schema.as_object_mut()) {
        let description = schema.shift_remove("description");
        let value = Value::Object(std::mem::take(schema));
        schema.insert("anyOf".to_owned(), json!([value, {"type": "null"}]));
        schema.extend(description.map(|text| ("description".to_owned(), text)));
    }
    schema
}
