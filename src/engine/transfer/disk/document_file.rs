//! A document as a file for people: its fields, and the fields that the older file storage had in addition. The metadata under `runstate`
//! is needed to read it back exactly.

use serde_json::json;

use super::file_names::file_name;
use crate::domain::cvm::{CC_HISTORY, EXECUTIONS, PROGRAMS};
use crate::engine::transfer::ExportRecord;
use crate::id::{hex, sha256};
use crate::schema::Catalog;
use crate::store::COMMANDS;
use crate::time::Timestamp;
use crate::value::{Document, Json, canonical_json, get};

/// The field with the metadata of a file.
const METADATA_FIELD: &str = "runstate";

/// The location of a record's file: its folder, and its name without the extension.
pub(super) fn file_location(record: &ExportRecord) -> (String, String) {
    let text = |path| get(&record.document, path).and_then(Json::as_str);
    let number = |path| get(&record.document, path).and_then(Json::as_i64).unwrap_or_default();
    let name = record.collection.name;
    let folder = match name {
        _ if name == CC_HISTORY.name => "history",
        _ if name == COMMANDS.name => "ledger",
        _ => name.strip_prefix("cvm.").unwrap_or(name),
    };
    let folder = match text("executionId") {
        Some(execution) => format!("{folder}/{}", file_name(execution)),
        None => folder.to_owned(),
    };
    match name == CC_HISTORY.name && record.document.contains_key("request") {
        true => (folder, format!("{}-{}", number("request.timestamp"), number("step"))),
        // An early answer has neither a time nor a step yet.
        false => (folder, file_name(&record.id)),
    }
}

/// The contents of the file.
pub(super) fn render(record: &ExportRecord) -> Json {
    let mut exported = record.to_json();
    let document = exported.get_mut("document").map(Json::take).unwrap_or_default();
    let Json::Object(mut file) = document else { return exported };
    let line = record.line();
    let mut own = json!({
        "collection": record.collection.name,
        "id": &*record.id,
        "version": record.version,
        "sha256": hex(&sha256(&[line.as_bytes()])),
    });
    if file.contains_key(METADATA_FIELD) {
        own["document"] = Json::Object(std::mem::take(&mut file));
    } else {
        let shown = legacy_fields(record);
        let added: Vec<&str> = shown.iter().map(|(name, _)| *name).filter(|name| !file.contains_key(*name)).collect();
        own["shown"] = json!(added);
        file.extend(
            shown.iter().filter(|(name, _)| added.contains(name)).map(|(name, v)| ((*name).to_owned(), v.clone())),
        );
    }
    file.insert(METADATA_FIELD.to_owned(), own);
    Json::Object(file)
}

/// Reads the output of [`render`]. `Err`: the problem.
pub(super) fn read(catalog: &Catalog, file: &Json) -> Result<ExportRecord, String> {
    let own = file
        .get(METADATA_FIELD)
        .and_then(Json::as_object)
        .ok_or("it is not a file of an export (it has no field `runstate`)")?;
    let field = |name: &str| own.get(name).cloned().unwrap_or_default();
    let document = match own.get("document") {
        Some(document) => document.clone(),
        None => {
            let mut document = file.as_object().cloned().unwrap_or_default();
            document.remove(METADATA_FIELD);
            for name in own.get("shown").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
                document.remove(name);
            }
            Json::Object(document)
        }
    };
    let exported = json!({
        "collection": field("collection"),
        "id": field("id"),
        "version": field("version"),
        "document": document,
    });
    let record = ExportRecord::read(catalog, exported)?;
    match canonical_json(&render(&record)) == canonical_json(file) {
        true => Ok(record),
        false => Err(format!("{} was changed after it was exported", record.key())),
    }
}

/// Fields of the older layout for parts of the document that have another place in it.
fn legacy_fields(record: &ExportRecord) -> Vec<(&'static str, Json)> {
    let document: &Document = &record.document;
    let at = |path| get(document, path).cloned().unwrap_or_default();
    let time = |path| match get(document, path).and_then(Json::as_i64) {
        Some(ms) => Timestamp::from_millis(ms).to_rfc3339().into(),
        None => Json::Null,
    };
    match record.collection.name {
        name if name == PROGRAMS.name => vec![("updated", time("modified"))],
        name if name == EXECUTIONS.name => {
            // The global scope, which the older storage called variables.
            let scopes = get(document, "state.scopes").and_then(Json::as_array);
            let variables = scopes.and_then(|scopes| scopes.first()?.get("variables").cloned());
            vec![
                ("pc", at("state.pc")),
                ("stack", at("state.stack")),
                ("variables", variables.unwrap_or_default()),
                ("output", at("state.output")),
                ("created", time("started")),
                ("updated", time("lastModified")),
            ]
        }
        name if name == CC_HISTORY.name => vec![
            ("pc", at("context.pc")),
            ("instruction", at("request.instructionId")),
            // The stack at an earlier call is not stored.
            ("stack", Json::Null),
            ("variables", at("context.variables")),
            ("timestamp", time("request.timestamp")),
        ],
        _ => Vec::new(),
    }
}
