//! `info`: what a store is and holds.

use std::collections::BTreeMap;

use runstate::engine::open::StoreUrl;
use runstate::engine::{Error, Info};
use runstate::store::file::NativeFs;
use runstate::store::file::check::{Files, files_on};
use serde_json::{Value as Json, json};

use crate::exit::Exit;
use crate::failure::Failure;

use super::verify::bytes;
use crate::session::Session;
use crate::told::ToldSummary;

/// Where facts begin.
const FACT: usize = 14;

/// Shows it.
pub async fn execute(session: &Session) -> Result<Exit, Failure> {
    let info = session.engine.info().await?;
    let files = files(session).await?;
    if session.out.json() {
        let mut told = told(session, &info);
        told["files"] = json!(files);
        session.out.value(&told)?;
    } else {
        let mut facts = facts(session, &info);
        facts.extend(files.iter().flat_map(sizes));
        session.out.lines(&facts)?;
    }
    Ok(Exit::Done)
}

/// What is on the disk, where the store is on one.
async fn files(session: &Session) -> Result<Option<Files>, Error> {
    match StoreUrl::parse(&session.url())? {
        StoreUrl::File { directory, single_process } => {
            Ok(Some(files_on(&NativeFs::new(directory, single_process)).await?))
        }
        _ => Ok(None),
    }
}

fn sizes(files: &Files) -> [String; 4] {
    [
        format!("{:FACT$}{}", "files", bytes(files.bytes)),
        format!("  snapshot {}: {}", files.snapshot, bytes(files.snapshot_bytes)),
        format!("  {} commits behind it: {}", files.commits, bytes(files.commit_bytes)),
        format!("  to be compacted: {}; reserve: {}", bytes(files.superfluous_bytes), bytes(files.reserve_bytes)),
    ]
}

fn told(session: &Session, info: &Info) -> Json {
    let (oldest, newest) = (info.oldest.as_ref().map(ToldSummary::from), info.newest.as_ref().map(ToldSummary::from));
    let can = &info.capabilities;
    json!({
        "url": session.url(),
        "kind": info.capabilities.name,
        "storeId": session.store_id,
        "health": info.health.clone().map(Error::from),
        "capabilities": {
            "durable": can.durable,
            "shared": can.shared,
            "nativeTtl": can.native_ttl,
            "aggregate": can.aggregate,
            "changeFeed": can.change_feed,
            "text": can.text,
            "documentBytes": can.document_bytes,
            "batchBytes": can.batch_bytes,
            "batchWrites": can.batch_writes,
        },
        "collections": info.collections,
        "executions": info.executions,
        "oldest": oldest,
        "newest": newest,
        "oldestWaiting": info.oldest_waiting.as_ref().map(ToldSummary::from),
        "facts": info.facts.iter().map(|fact| (fact.name, &fact.value)).collect::<BTreeMap<_, _>>(),
    })
}

fn facts(session: &Session, info: &Info) -> Vec<String> {
    let fact = |name: &str, value: &str| format!("{name:FACT$}{value}");
    let mut facts = vec![fact("store", &session.url()), fact("kind", info.capabilities.name)];
    facts.extend(session.store_id.iter().map(|id| fact("id", id)));
    facts.push(fact("health", &info.health.as_ref().map_or_else(|| "whole".to_owned(), ToString::to_string)));
    facts.push(fact("can", &abilities(info)));
    let statuses: Vec<String> = info.executions.iter().map(|(status, n)| format!("{n} {status}")).collect();
    facts.push(fact("executions", "none"));
    if let Some(last) = facts.last_mut().filter(|_| !statuses.is_empty()) {
        *last = fact("executions", &statuses.join(", "));
    }
    let named = [("oldest", &info.oldest), ("newest", &info.newest), ("waits longest", &info.oldest_waiting)];
    for (name, execution) in named {
        facts.extend(execution.iter().map(|e| fact(name, &format!("{} ({}, started {})", e.id, e.status, e.started))));
    }
    facts.push("documents".to_owned());
    let width = info.collections.iter().map(|c| c.name.len()).max().unwrap_or_default();
    facts.extend(info.collections.iter().map(|collection| {
        let count = collection.documents.map_or_else(|| "?".to_owned(), |n| n.to_string());
        format!("  {:width$}  {count:>8}", collection.name)
    }));
    facts.extend(info.facts.iter().flat_map(|fact| of_store(fact.name, &fact.value)));
    facts
}

/// What the store tells of itself: a value beside its name, several below it.
fn of_store(name: &str, value: &Json) -> Vec<String> {
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

fn abilities(info: &Info) -> String {
    let c = &info.capabilities;
    let named = [
        (c.durable, "keeps what it acknowledged"),
        (c.shared, "is shared by processes"),
        (c.native_ttl, "expires by itself"),
        (c.change_feed, "tells changes"),
        (c.aggregate, "counts"),
        (c.text, "finds words"),
    ];
    named.iter().filter(|(can, _)| *can).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}
