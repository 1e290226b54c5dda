//! Exports a store page by page, and begins again if the store was written to meanwhile. A [`Selection`] is the part
//! of a store that is transferred: all of it, or one document with its parts. The declarations of collections alone
//! determine these parts.

use runstate_core::error_code::ErrorCode;
use runstate_core::id::Revision;
use runstate_core::schema::{Collection, Filter, Key, Query};
use runstate_engine::{Engine, Error, Phase, Progress, exported_collections, has_sealed};
use runstate_store as store;
use runstate_store::{COMMANDS, Freshness, Position};
use runstate_value as value;
use runstate_value::time::Millis;

use super::{ExportHeader, ExportRecord, ExportSink, ExportSummary, ExportTally, Secrets};

/// Documents per page: few, because each may be large.
const PAGE: u32 = 64;

/// Number of attempts, after which an export fails because of concurrent writes.
const ATTEMPTS: u32 = 5;

pub(super) async fn export_selection<S: ExportSink>(
    engine: &Engine,
    selection: &Selection,
    secrets: Secrets,
    sink: &mut S,
    mut progress: impl FnMut(Progress),
) -> Result<ExportSummary, Error> {
    if let Some(newer @ store::StoreError::NewerVersion { .. }) = engine.store().read_only_reason() {
        return Err(newer.into());
    }
    let is_all = *selection == Selection::All;
    let total = if is_all { engine.count_exported().await? } else { None };
    for _ in 0..ATTEMPTS {
        let selected = resolve_selection(engine, selection).await?;
        if is_all && let Some(collection) = engine.undeclared_collections().await?.into_iter().next() {
            let message = format!(
                "the store has documents of collection `{collection}`, which this program does not know, and the export would be without them. Export with a program that has their domain; `verify` names a declaration that is damaged"
            );
            return Err(Error { collection: Some(collection), ..Error::new(ErrorCode::UNSUPPORTED, message) });
        }
        sink.begin(&ExportHeader::new(engine).await?)?;
        let mut exporter = Exporter { sink, secrets, tally: ExportTally::default(), done: 0 };
        for collection in exported_collections(&engine.catalog()) {
            let mut query = match selected.part(collection) {
                SelectedPart::Nothing => continue,
                SelectedPart::Document(record) => {
                    exporter.put(record)?;
                    continue;
                }
                SelectedPart::Query(query) => query.limit(PAGE),
            };
            loop {
                let page = engine.store().query(&query, Freshness::Linearizable).await?;
                for row in page.items {
                    exporter.put(&ExportRecord::from_row(collection, row))?;
                }
                progress(Progress { phase: Phase::Export, done: exporter.done, of: total });
                engine.yield_now().await;
                match page.next {
                    Some(cursor) => query = query.after(Some(cursor)),
                    None => break,
                }
            }
        }
        let summary = exporter.tally.summary();
        if is_unchanged(engine, &selected, selection).await? {
            sink.end(&summary)?;
            return Ok(summary);
        }
    }
    let message = format!(
        "the store was written to during all {ATTEMPTS} attempts to export it. Try again when it is written to less often"
    );
    Err(Error { retryable: true, ..Error::new(ErrorCode::CONFLICT, message) })
}

/// The position of the store in its change feed. A store without a feed always has the same position.
pub(super) async fn position(engine: &Engine) -> Result<Option<Position>, Error> {
    if !engine.store().capabilities().change_feed {
        return Ok(None);
    }
    Ok(Some(engine.store().changes(None, 0, Millis(0)).await?.next))
}

struct Exporter<'a, S> {
    sink: &'a mut S,
    secrets: Secrets,
    tally: ExportTally,
    /// Number of documents read.
    done: u64,
}

impl<S: ExportSink> Exporter<'_, S> {
    fn put(&mut self, record: &ExportRecord) -> Result<(), Error> {
        self.done += 1;
        if self.secrets == Secrets::PlainText && has_sealed(record.collection, &record.document) {
            let why =
                "it has a secret whose key was not given. Open the store with that key, or export without plain text";
            return Err(store::StoreError::KeyMissing { at: record.key().to_string(), why: why.to_owned() }.into());
        }
        if record.is_local() {
            return Ok(());
        }
        let line = record.line();
        self.tally.add(record.collection.name, &line);
        self.sink.put(record, &line)
    }
}

/// The part of a store that is transferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All documents.
    #[default]
    All,
    /// One document, with the documents that belong to it and those that it depends on. For an execution these are its
    /// rows and the version of the program that it runs. Results of commands are not included: they belong to the
    /// store.
    One(Key),
}

/// The state of a selection when it was read.
pub(super) enum ResolvedSelection {
    /// All documents, at this position of the store, with this number of rows in the ledger. A store without a change
    /// feed always has the same position.
    All(Option<Position>, Option<u64>),
    /// One document, at this revision.
    One(Box<ExportRecord>, Revision),
}

/// The part of a collection that is transferred.
pub(super) enum SelectedPart<'a> {
    Nothing,
    Document(&'a ExportRecord),
    Query(Box<Query>),
}

/// Reads the current state of a selection.
pub(super) async fn resolve_selection(engine: &Engine, selection: &Selection) -> Result<ResolvedSelection, Error> {
    let key = match selection {
        Selection::All => return Ok(ResolvedSelection::All(position(engine).await?, engine.count(&COMMANDS).await?)),
        Selection::One(key) => key,
    };
    let refused = |code, why: &str| {
        let (collection, id) = (Some(key.collection.to_string()), Some(key.id.to_string()));
        Error { collection, key: id, ..Error::new(code, format!("{key} cannot be exported: {why}")) }
    };
    let catalog = &engine.catalog();
    let collection = catalog.get(&key.collection);
    let collection = collection.ok_or_else(|| refused(ErrorCode::NOT_FOUND, "the collection does not exist"))?;
    if let Some(whole) = collection.references().find(|reference| reference.part) {
        let why = format!("it is a part of a document of {}. Export that one", whole.collection);
        return Err(refused(ErrorCode::UNSUPPORTED, &why));
    }
    if catalog.has_nested_children(collection) {
        return Err(refused(
            ErrorCode::UNSUPPORTED,
            "it has dependent documents with parts that a selection does not include. Export the whole store",
        ));
    }
    let found = engine.store().get(std::slice::from_ref(key), Freshness::Linearizable).await?;
    let stored =
        found.into_iter().next().flatten().ok_or_else(|| refused(ErrorCode::NOT_FOUND, "it does not exist"))?;
    let (id, revision) = (key.id.clone(), stored.revision);
    let record = ExportRecord { collection, id, version: stored.version, document: stored.document };
    Ok(ResolvedSelection::One(Box::new(record), revision))
}

/// Whether the selection is unchanged. A new row of a document changes the document too: both are written together.
pub(super) async fn is_unchanged(
    engine: &Engine,
    selected: &ResolvedSelection,
    selection: &Selection,
) -> Result<bool, Error> {
    match (selected, resolve_selection(engine, selection).await?) {
        (ResolvedSelection::One(_, before), ResolvedSelection::One(_, now)) => Ok(*before == now),
        (ResolvedSelection::All(before, rows), ResolvedSelection::All(now, rows_now)) => match before {
            Some(position) if now != *before => Ok(*rows == rows_now && has_no_changes_since(engine, position).await?),
            _ => Ok(true),
        },
        _ => Ok(false),
    }
}

/// Whether no document was written since. A position alone does not show that: the position of a server advances with
/// all its writes, even in other databases.
async fn has_no_changes_since(engine: &Engine, since: &Position) -> Result<bool, Error> {
    match engine.store().changes(Some(since.clone()), 1, Millis(0)).await {
        Ok(changes) => Ok(changes.events.is_empty()),
        Err(store::StoreError::PositionExpired) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl ResolvedSelection {
    pub fn part(&self, collection: &'static Collection) -> SelectedPart<'_> {
        let Self::One(record, _) = self else { return SelectedPart::Query(Box::new(Query::of(collection))) };
        if collection.name == record.collection.name {
            return SelectedPart::Document(record);
        }
        if collection.name == COMMANDS.name {
            return SelectedPart::Nothing;
        }
        match children_filter(record, collection).or_else(|| dependency_filter(record, collection)) {
            Some(filter) => SelectedPart::Query(Box::new(Query::of(collection).filter(filter))),
            None => SelectedPart::Nothing,
        }
    }
}

/// Matches the documents that belong to a document.
fn children_filter(record: &ExportRecord, collection: &Collection) -> Option<Filter> {
    let reference = collection.owner_reference(record.collection.name)?;
    Some(Filter::Eq(reference.field.to_owned(), (&*record.id).into()))
}

/// Matches the document on which a document depends: an immutable one, which fields with the same names identify
/// completely.
fn dependency_filter(record: &ExportRecord, collection: &Collection) -> Option<Filter> {
    let declared = |path: &str| record.collection.fields.iter().any(|field| field.name == path);
    let index = collection.indexes.iter().find(|index| {
        let identifies = index.unique && index.partial.is_none() && index.fields.iter().all(|(path, _)| declared(path));
        collection.insert_only && identifies
    })?;
    let equal = |path: &str| Some(Filter::Eq(path.to_owned(), value::get(&record.document, path)?.clone()));
    Some(Filter::And(index.fields.iter().map(|(path, _)| equal(path)).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runstate_domain_cvm::{EXECUTIONS, PROGRAMS};
    use runstate_value::Json;
    use serde_json::json;

    use super::*;

    fn exported_parts(collection: &'static Collection, document: Json) -> String {
        let Json::Object(document) = document else { panic!("no object") };
        let revision = Revision::first(&runstate_core::id::CommandId::new("c").unwrap(), collection.name, "x");
        let record = ExportRecord { collection, id: "x".into(), version: 1, document: Arc::new(document) };
        let selected = ResolvedSelection::One(Box::new(record), revision);
        let catalog = runstate_engine::catalog(crate::tests::registry().catalog()).unwrap();
        let part = |of: &'static Collection| match selected.part(of) {
            SelectedPart::Nothing => None,
            SelectedPart::Document(record) => Some(format!("{}/{}", of.name, record.id)),
            SelectedPart::Query(query) => Some(format!("{} where {}", of.name, json!(query.filter))),
        };
        exported_collections(&catalog).into_iter().filter_map(part).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_selection_includes_what_declarations_reference() {
        insta::assert_snapshot!(exported_parts(&EXECUTIONS, json!({"programId": "p", "programVersion": 2})), @r#"
        cvm.cc_history where {"eq":["executionId","x"]}
        cvm.execution_logs where {"eq":["executionId","x"]}
        cvm.executions/x
        cvm.heap_pages where {"eq":["executionId","x"]}
        cvm.history where {"eq":["executionId","x"]}
        cvm.outputs where {"eq":["executionId","x"]}
        cvm.program_versions where {"and":[{"eq":["programId","p"]},{"eq":["programVersion",2]}]}
        "#);
        let registry = crate::tests::registry();
        let catalog = registry.catalog();
        let with_nested: Vec<&str> =
            catalog.iter().filter(|of| catalog.has_nested_children(of)).map(|of| of.name).collect();
        let expected = [PROGRAMS.name, "fleet.hub_instances", "fleet.projects"];
        assert_eq!(with_nested, expected, "an execution that moved with its program would lack its rows");
    }
}
