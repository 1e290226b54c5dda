//! `info`: what a store is and holds.

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
    for (name, execution) in [("oldest", &info.oldest), ("newest", &info.newest)] {
        facts.extend(execution.iter().map(|e| fact(name, &format!("{} ({}, started {})", e.id, e.status, e.started))));
    }
    facts.push("documents".to_owned());
    let width = info.collections.iter().map(|c| c.name.len()).max().unwrap_or_default();
    facts.extend(info.collections.iter().map(|collection| {
        let count = collection.documents.map_or_else(|| "?".to_owned(), |n| n.to_string());
        format!("  {:width$}  {count:>8}", collection.name)
    }));
    facts
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
