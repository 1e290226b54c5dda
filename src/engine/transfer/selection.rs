//! The part of a store that is transferred: all of it, or one document with its parts. The parts are determined by the declarations of
//! collections alone.

use super::ExportRecord;
use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;
use crate::id::Revision;
use crate::schema::{Catalog, Collection, Filter, Key, Presence, Query, Reference};
use crate::store::{self, COMMANDS, Position};
use crate::time::Millis;
use crate::value;

/// The part of a store that is transferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All documents.
    #[default]
    All,
    /// One document, with the documents that belong to it and those that it depends on. For an execution these are its rows and the version
    /// of the program that it runs. Results of commands are not included: they belong to the store.
    One(Key),
}

/// The state of a selection when it was read.
pub(super) enum ResolvedSelection {
    /// All documents, at this position of the store, with this number of rows in the ledger. A store without a change feed always has the
    /// same position.
    All(Option<Position>, Option<u64>),
    /// One document, at this revision.
    One(Box<ExportRecord>, Revision),
}

/// The part of a collection that is transferred.
pub(super) enum SelectedPart<'a> {
    Nothing,
    /// This document.
    Document(&'a ExportRecord),
    /// The documents that this query returns.
    Query(Query),
}

impl Engine {
    /// Reads the current state of a selection.
    pub(super) async fn resolve_selection(&self, selection: &Selection) -> Result<ResolvedSelection, Error> {
        let key = match selection {
            Selection::All => return Ok(ResolvedSelection::All(self.position().await?, self.count(&COMMANDS).await?)),
            Selection::One(key) => key,
        };
        let refused = |code, why: &str| {
            let (collection, id) = (Some(key.collection.to_string()), Some(key.id.to_string()));
            Error { collection, key: id, ..Error::new(code, format!("{key} cannot be exported: {why}")) }
        };
        let catalog = &self.shared.catalog;
        let known = catalog.get(&key.collection);
        let collection = known.ok_or_else(|| refused(ErrorCode::NotFound, "the collection does not exist"))?;
        if has_nested_children(catalog, collection) {
            return Err(refused(
                ErrorCode::Unsupported,
                "documents that belong to it have parts of their own. Export the whole store",
            ));
        }
        let found = self.store().get(std::slice::from_ref(key)).await?;
        let stored =
            found.into_iter().next().flatten().ok_or_else(|| refused(ErrorCode::NotFound, "it does not exist"))?;
        let (id, revision) = (key.id.clone(), stored.revision);
        let record = ExportRecord { collection, id, version: stored.version, document: stored.document };
        Ok(ResolvedSelection::One(Box::new(record), revision))
    }
}

impl Engine {
    /// Whether the selection is unchanged. A new row of a document changes the document too: both are written together.
    pub(super) async fn is_unchanged(
        &self,
        selected: &ResolvedSelection,
        selection: &Selection,
    ) -> Result<bool, Error> {
        match (selected, self.resolve_selection(selection).await?) {
            (ResolvedSelection::One(_, then), ResolvedSelection::One(_, now)) => Ok(*then == now),
            (ResolvedSelection::All(then, rows), ResolvedSelection::All(now, rows_now)) => match then {
                Some(position) if now != *then => Ok(*rows == rows_now && self.has_no_changes_since(position).await?),
                _ => Ok(true),
            },
            _ => Ok(false),
        }
    }

    /// Whether no document was written since. A position alone does not show that: the position of a server advances with all its writes,
    /// even in other databases.
    async fn has_no_changes_since(&self, since: &Position) -> Result<bool, Error> {
        match self.store().changes(Some(since.clone()), 1, Millis(0)).await {
            Ok(changes) => Ok(changes.events.is_empty()),
            Err(store::StoreError::PositionExpired) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl ResolvedSelection {
    /// The part of `collection` that the selection includes.
    pub fn part(&self, collection: &'static Collection) -> SelectedPart<'_> {
        let Self::One(record, _) = self else { return SelectedPart::Query(Query::of(collection)) };
        if collection.name == record.collection.name {
            return SelectedPart::Document(record);
        }
        if collection.name == COMMANDS.name {
            return SelectedPart::Nothing;
        }
        match children_filter(record, collection).or_else(|| dependency_filter(record, collection)) {
            Some(filter) => SelectedPart::Query(Query::of(collection).filter(filter)),
            None => SelectedPart::Nothing,
        }
    }
}

/// The reference by which documents of `collection` belong to those of another. Belonging requires it: its field is required.
fn owner_reference(collection: &Collection, to: &str) -> Option<&'static Reference> {
    let required = |path: &str| collection.fields.iter().any(|f| f.name == path && f.presence == Presence::Required);
    collection.references.iter().find(|reference| reference.collection == to && required(reference.field))
}

/// Whether documents that belong to those of `collection` have parts of their own. An export of one document leaves those of such a
/// collection out.
pub(in crate::engine) fn has_nested_children(catalog: &Catalog, collection: &Collection) -> bool {
    let mut parts = catalog.iter().filter(|part| owner_reference(part, collection.name).is_some());
    parts.any(|part| catalog.iter().any(|inner| owner_reference(inner, part.name).is_some()))
}

/// Matches the documents that belong to a document.
fn children_filter(record: &ExportRecord, collection: &Collection) -> Option<Filter> {
    let reference = owner_reference(collection, record.collection.name)?;
    Some(Filter::Eq(reference.field.to_owned(), (&*record.id).into()))
}

/// Matches the document on which a document depends: an immutable one, which fields with the same names identify completely.
fn dependency_filter(record: &ExportRecord, collection: &Collection) -> Option<Filter> {
    let declared = |path: &str| record.collection.fields.iter().any(|field| field.name == path);
    let index = collection.indexes.iter().find(|index| {
        let names = index.unique && index.partial.is_none() && index.fields.iter().all(|(path, _)| declared(path));
        collection.insert_only && names
    })?;
    let equal = |path: &str| Some(Filter::Eq(path.to_owned(), value::get(&record.document, path)?.clone()));
    Some(Filter::And(index.fields.iter().map(|(path, _)| equal(path)).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::cvm::{EXECUTIONS, PROGRAMS};
    use crate::value::Json;

    fn exported_parts(collection: &'static Collection, document: Json) -> String {
        let Json::Object(document) = document else { panic!("no object") };
        let revision = Revision::first(&crate::id::CommandId::new("c").unwrap(), collection.name, "x");
        let record = ExportRecord { collection, id: "x".into(), version: 1, document: Arc::new(document) };
        let selected = ResolvedSelection::One(Box::new(record), revision);
        let catalog = crate::engine::catalog(&crate::domain::catalog().unwrap()).unwrap();
        let part = |of: &'static Collection| match selected.part(of) {
            SelectedPart::Nothing => None,
            SelectedPart::Document(record) => Some(format!("{}/{}", of.name, record.id)),
            SelectedPart::Query(query) => Some(format!("{} where {}", of.name, json!(query.filter))),
        };
        super::super::record::collections(&catalog).into_iter().filter_map(part).collect::<Vec<_>>().join("\n")
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
        let catalog = crate::domain::catalog().unwrap();
        let deep: Vec<&str> = catalog.iter().filter(|of| has_nested_children(&catalog, of)).map(|of| of.name).collect();
        assert_eq!(deep, [PROGRAMS.name], "an execution that moved with its program would lack its rows");
    }
}
