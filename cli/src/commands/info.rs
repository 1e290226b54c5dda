//! `info`: shows what a store is and holds. `health`: checks that the store can be read and written. `prepare`: makes
//! a store ready for this version. Opening the store does that; no document is read.

use std::collections::BTreeMap;

use runstate::engine::{Error, Info};
use runstate::open::StoreUrl;
use runstate::store::file::NativeFs;
use runstate::store::file::check::{DiskUsage, disk_usage_on};
use runstate::value::Document;
use serde_json::{Value as Json, json};

use super::verify::format_bytes;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::operations;
use crate::session::Session;
use crate::time_format::duration_text;

/// The column in which values begin.
const LABEL_WIDTH: usize = 14;

/// Prints the properties and contents of the store.
pub async fn show_info(session: &Session) -> Result<CliExit, CliError> {
    let info = session.engine.info().await?;
    let overview = session.engine.call("cvm.overview", Document::new()).await?;
    let overview = operations::json_result("cvm.overview", overview)?;
    let files = files(session).await?;
    if session.out.is_json() {
        let mut output = to_json(session, &info, &overview);
        output["files"] = json!(files);
        session.out.value(&output)?;
    } else {
        let mut facts = info_lines(session, &info, &overview);
        facts.extend(files.iter().flat_map(file_size_lines));
        session.out.lines(&facts)?;
    }
    Ok(CliExit::Done)
}

async fn files(session: &Session) -> Result<Option<DiskUsage>, Error> {
    match StoreUrl::parse(&session.url())? {
        StoreUrl::File { directory, single_process } => {
            Ok(Some(disk_usage_on(&NativeFs::new(directory, single_process)).await?))
        }
        _ => Ok(None),
    }
}

fn file_size_lines(files: &DiskUsage) -> [String; 4] {
    [
        format!("{:LABEL_WIDTH$}{}", "files", format_bytes(files.bytes)),
        format!("  snapshot {}: {}", files.snapshot, format_bytes(files.snapshot_bytes)),
        format!("  {} commits after it: {}", files.commits, format_bytes(files.commit_bytes)),
        format!(
            "  to be compacted: {}; reserve: {}",
            format_bytes(files.superfluous_bytes),
            format_bytes(files.reserve_bytes)
        ),
    ]
}

fn to_json(session: &Session, info: &Info, overview: &Json) -> Json {
    let mut capabilities = json!(info.capabilities);
    let kind = capabilities.as_object_mut().and_then(|members| members.shift_remove("name"));
    json!({
        "url": session.url(),
        "kind": kind,
        "storeId": session.store_id,
        "health": info.health,
        "capabilities": capabilities,
        "collections": info.collections,
        "undeclared": info.undeclared,
        "executions": overview["executions"],
        "oldest": overview["oldest"],
        "newest": overview["newest"],
        "oldestWaiting": overview["oldestWaiting"],
        "facts": info.properties.iter().map(|fact| (fact.name, &fact.value)).collect::<BTreeMap<_, _>>(),
    })
}

fn info_lines(session: &Session, info: &Info, overview: &Json) -> Vec<String> {
    let fact = |name: &str, value: &str| format!("{name:LABEL_WIDTH$}{value}");
    let mut facts = vec![fact("store", &session.url()), fact("kind", info.capabilities.name)];
    facts.extend(session.store_id.iter().map(|id| fact("id", id)));
    facts.push(fact("health", &info.health.as_ref().map_or_else(|| "ok".to_owned(), ToString::to_string)));
    facts.push(fact("capabilities", &capability_names(info)));
    let statuses = overview["executions"].as_object().into_iter().flatten();
    let statuses: Vec<String> = statuses.map(|(status, n)| format!("{n} {status}")).collect();
    facts.push(fact("executions", &if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") }));
    for (name, property) in [("oldest", "oldest"), ("newest", "newest"), ("waits longest", "oldestWaiting")] {
        let execution = &overview[property];
        let text = |name: &str| execution[name].as_str().unwrap_or_default();
        if !execution.is_null() {
            facts.push(fact(name, &format!("{} ({}, started {})", text("id"), text("status"), text("started"))));
        }
    }
    facts.push("documents".to_owned());
    let width = info.collections.iter().map(|c| c.name.len()).max().unwrap_or_default();
    facts.extend(info.collections.iter().map(|collection| {
        let count = collection.documents.map_or_else(|| "?".to_owned(), |n| n.to_string());
        format!("  {:width$}  {count:>8}", collection.name)
    }));
    facts.extend(
        info.undeclared.iter().map(|name| format!("  {name}: this program does not know it (`verify` says more)")),
    );
    facts.extend(info.properties.iter().flat_map(|fact| store_detail_lines(fact.name, &fact.value)));
    facts
}

/// Formats a property that the store reports: one value on its line, several values below it.
fn store_detail_lines(name: &str, value: &Json) -> Vec<String> {
    let one = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let below: Vec<String> = match value {
        Json::Array(items) if items.is_empty() => return vec![format!("{name}: none")],
        Json::Array(items) => items.iter().map(|item| format!("  {}", one(item))).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(name, value)| match value {
                Json::Object(inner) => {
                    let inner: Vec<String> =
                        inner.iter().map(|(name, value)| format!("{name} {}", one(value))).collect();
                    format!("  {name}: {}", inner.join(", "))
                }
                value => format!("  {name}: {}", one(value)),
            })
            .collect(),
        value => return vec![format!("{name}: {}", one(value))],
    };
    std::iter::once(name.to_owned()).chain(below).collect()
}

fn capability_names(info: &Info) -> String {
    let c = &info.capabilities;
    let named = [
        (c.durable, "durable"),
        (c.shared, "multi-process"),
        (c.native_ttl, "native TTL"),
        (c.change_feed, "change feed"),
        (c.aggregate, "aggregates"),
        (c.text, "text search"),
    ];
    named.iter().filter(|(can, _)| *can).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

/// Prints `ok`, or fails with the reason.
pub async fn check_health(session: &Session) -> Result<CliExit, CliError> {
    if let Some(error) = session.engine.health().await {
        return Err(error.into());
    }
    if session.out.is_json() {
        session.out.value(&json!({"url": session.url(), "storeId": session.store_id, "healthy": true}))?;
    } else {
        session.out.line("ok")?;
    }
    Ok(CliExit::Done)
}

/// Reports that the store is ready, or fails if it is read-only.
pub async fn report_prepared(session: &Session) -> Result<CliExit, CliError> {
    if let Some(reason) = session.engine.store().read_only_reason() {
        return Err(runstate::engine::Error::from(reason).into());
    }
    let ledger = session.engine.ledger_time().await?;
    if session.out.is_json() {
        let ready = json!({"url": session.url(), "storeId": session.store_id, "ready": true, "ledgerMs": ledger});
        session.out.value(&ready)?;
    } else {
        session.out.line(&format!("{} is ready", session.url()))?;
        session.out.remark(&format!("the results of commands are kept for {}", duration_text(ledger)));
    }
    Ok(CliExit::Done)
}
