//! A document as a file for people: its fields, beside them what the layout of the older file storage shows of it, and under `runstate`
//! what is needed to read it back exactly.

use serde_json::json;

use super::names::file_name;
use crate::domain::cvm::{CC_HISTORY, EXECUTIONS, PROGRAMS};
use crate::engine::transfer::Record;
use crate::id::{hex, sha256};
use crate::schema::Catalog;
use crate::store::COMMANDS;
use crate::time::Timestamp;
use crate::value::{Document, Json, canonical, get};

/// The name under which a file says what it is.
const OWN: &str = "runstate";

/// Where the file of a record stands: its folder, and its name without the ending.
pub(super) fn place(record: &Record) -> (String, String) {
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
        // An answer that came before its question has neither moment nor number yet.
        false => (folder, file_name(&record.id)),
    }
}

/// The file's contents.
pub(super) fn render(record: &Record) -> Json {
    let mut exported = record.exported();
    let document = exported.get_mut("document").map(Json::take).unwrap_or_default();
    let Json::Object(mut file) = document else { return exported };
    let line = record.line();
    let mut own = json!({
        "collection": record.collection.name,
        "id": &*record.id,
        "version": record.version,
        "sha256": hex(&sha256(&[line.as_bytes()])),
    });
    if file.contains_key(OWN) {
        own["document"] = Json::Object(std::mem::take(&mut file));
    } else {
        let shown = shown(record);
        let added: Vec<&str> = shown.iter().map(|(name, _)| *name).filter(|name| !file.contains_key(*name)).collect();
        own["shown"] = json!(added);
        file.extend(
            shown.iter().filter(|(name, _)| added.contains(name)).map(|(name, v)| ((*name).to_owned(), v.clone())),
        );
    }
    file.insert(OWN.to_owned(), own);
    Json::Object(file)
}

/// Reads what [`render`] made. `Err`: what is wrong with it.
pub(super) fn read(catalog: &Catalog, file: &Json) -> Result<Record, String> {
    let own = file.get(OWN).and_then(Json::as_object).ok_or("it is no file of an export (it has no `runstate`)")?;
    let field = |name: &str| own.get(name).cloned().unwrap_or_default();
    let document = match own.get("document") {
        Some(document) => document.clone(),
        None => {
            let mut document = file.as_object().cloned().unwrap_or_default();
            document.remove(OWN);
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
    let record = Record::read(catalog, exported)?;
    match canonical(&render(&record)) == canonical(file) {
        true => Ok(record),
        false => Err(format!("{} was changed after it was exported", record.key())),
    }
}

/// What the older layout calls parts of the document that stand elsewhere in it.
fn shown(record: &Record) -> Vec<(&'static str, Json)> {
    let document: &Document = &record.document;
    let at = |path| get(document, path).cloned().unwrap_or_default();
    let time = |path| match get(document, path).and_then(Json::as_i64) {
        Some(ms) => Timestamp::from_millis(ms).to_rfc3339().into(),
        None => Json::Null,
    };
    match record.collection.name {
        name if name == PROGRAMS.name => vec![("updated", time("modified"))],
        name if name == EXECUTIONS.name => {
            // The global scope: what the older storage called the variables.
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
            // The stack at an earlier call is not kept.
            ("stack", Json::Null),
            ("variables", at("context.variables")),
            ("timestamp", time("request.timestamp")),
        ],
        _ => Vec::new(),
    }
}
