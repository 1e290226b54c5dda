//! What of a store is moved: all of it, or one document with what belongs to it. What belongs to what is read from the declarations of
//! collections alone.

use super::Record;
use crate::code::Code;
use crate::engine::{Engine, Error};
use crate::id::Revision;
use crate::schema::{Catalog, Collection, Filter, Key, Presence, Query, Reference};
use crate::store::{self, COMMANDS, Position};
use crate::time::Millis;
use crate::value;

/// What of a store is moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    #[default]
    All,
    /// One document, with what belongs to it and what it rests on: an execution with its rows and the version of the program that it runs.
    /// Results of commands do not go along: they are the store's.
    One(Key),
}

/// A selection as it stood when it was looked up.
pub(super) enum Selected {
    /// All, at this position of the store, with so many rows in the ledger; what has no feed of changes always stands in the same place.
    All(Option<Position>, Option<u64>),
    /// This document.
    One(Box<Record>, Revision),
}

/// What is to be moved of a collection.
pub(super) enum Part<'a> {
    Nothing,
    /// This document.
    Document(&'a Record),
    /// What is found so.
    Found(Query),
}

impl Engine {
    /// Looks a selection up.
    pub(super) async fn selected(&self, selection: &Selection) -> Result<Selected, Error> {
        let key = match selection {
            Selection::All => return Ok(Selected::All(self.position().await?, self.count(&COMMANDS).await?)),
            Selection::One(key) => key,
        };
        let refused = |code, why: &str| {
            let (collection, id) = (Some(key.collection.to_string()), Some(key.id.to_string()));
            Error { collection, key: id, ..Error::new(code, format!("{key} cannot be exported: {why}")) }
        };
        let catalog = &self.shared.catalog;
        let known = catalog.get(&key.collection);
        let collection = known.ok_or_else(|| refused(Code::NotFound, "there is no such collection"))?;
        if is_deep(catalog, collection) {
            return Err(refused(Code::Unsupported, "what belongs to it has parts of its own; export all of the store"));
        }
        let found = self.store().get(std::slice::from_ref(key)).await?;
        let stored = found.into_iter().next().flatten().ok_or_else(|| refused(Code::NotFound, "it is not there"))?;
        let (id, revision) = (key.id.clone(), stored.revision);
        let record = Record { collection, id, version: stored.version, document: stored.document };
        Ok(Selected::One(Box::new(record), revision))
    }
}

impl Engine {
    /// Whether it is still what it was. Rows that come to a document are told by the document: it is written with them.
    pub(super) async fn stands(&self, selected: &Selected, selection: &Selection) -> Result<bool, Error> {
        match (selected, self.selected(selection).await?) {
            (Selected::One(_, then), Selected::One(_, now)) => Ok(*then == now),
            (Selected::All(then, rows), Selected::All(now, rows_now)) => match then {
                Some(position) if now != *then => Ok(*rows == rows_now && self.is_still(position).await?),
                _ => Ok(true),
            },
            _ => Ok(false),
        }
    }

    /// Whether no document was written since. Positions alone do not tell: that of a server moves on with whatever happens there, be it in
    /// databases of others.
    async fn is_still(&self, since: &Position) -> Result<bool, Error> {
        match self.store().changes(Some(since.clone()), 1, Millis(0)).await {
            Ok(changes) => Ok(changes.events.is_empty()),
            Err(store::Error::PositionExpired) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Selected {
    /// What of `collection` is part of it.
    pub fn part(&self, collection: &'static Collection) -> Part<'_> {
        let Self::One(record, _) = self else { return Part::Found(Query::of(collection)) };
        if collection.name == record.collection.name {
            return Part::Document(record);
        }
        if collection.name == COMMANDS.name {
            return Part::Nothing;
        }
        match belonging(record, collection).or_else(|| rested_on(record, collection)) {
            Some(filter) => Part::Found(Query::of(collection).filter(filter)),
            None => Part::Nothing,
        }
    }
}

/// The reference by which documents of `collection` belong to those of another: without it they cannot be.
fn belongs_by(collection: &Collection, to: &str) -> Option<&'static Reference> {
    let required = |path: &str| collection.fields.iter().any(|f| f.name == path && f.presence == Presence::Required);
    collection.references.iter().find(|reference| reference.collection == to && required(reference.field))
}

/// Whether what belongs to documents of `collection` has something of its own. An export of one document leaves those of such a collection out.
pub(in crate::engine) fn is_deep(catalog: &Catalog, collection: &Collection) -> bool {
    let mut parts = catalog.iter().filter(|part| belongs_by(part, collection.name).is_some());
    parts.any(|part| catalog.iter().any(|inner| belongs_by(inner, part.name).is_some()))
}

/// What belongs to a document.
fn belonging(record: &Record, collection: &Collection) -> Option<Filter> {
    let reference = belongs_by(collection, record.collection.name)?;
    Some(Filter::Eq(reference.field.to_owned(), (&*record.id).into()))
}

/// What a document rests on: the one that never changes and is named, as a whole, by fields of the same names.
fn rested_on(record: &Record, collection: &Collection) -> Option<Filter> {
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

    fn moved(collection: &'static Collection, document: Json) -> String {
        let Json::Object(document) = document else { panic!("no object") };
        let revision = Revision::first(&crate::id::CommandId::new("c").unwrap(), collection.name, "x");
        let record = Record { collection, id: "x".into(), version: 1, document: Arc::new(document) };
        let selected = Selected::One(Box::new(record), revision);
        let catalog = crate::engine::catalog(&crate::domain::catalog().unwrap()).unwrap();
        let part = |of: &'static Collection| match selected.part(of) {
            Part::Nothing => None,
            Part::Document(record) => Some(format!("{}/{}", of.name, record.id)),
            Part::Found(query) => Some(format!("{} where {}", of.name, json!(query.filter))),
        };
        super::super::record::collections(&catalog).into_iter().filter_map(part).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn declarations_say_what_goes_along() {
        insta::assert_snapshot!(moved(&EXECUTIONS, json!({"programId": "p", "programVersion": 2})), @r#"
        cvm.cc_history where {"eq":["executionId","x"]}
        cvm.execution_logs where {"eq":["executionId","x"]}
        cvm.executions/x
        cvm.heap_pages where {"eq":["executionId","x"]}
        cvm.history where {"eq":["executionId","x"]}
        cvm.outputs where {"eq":["executionId","x"]}
        cvm.program_versions where {"and":[{"eq":["programId","p"]},{"eq":["programVersion",2]}]}
        "#);
        let catalog = crate::domain::catalog().unwrap();
        let deep: Vec<&str> = catalog.iter().filter(|of| is_deep(&catalog, of)).map(|of| of.name).collect();
        assert_eq!(deep, [PROGRAMS.name], "an execution that moved with its program would lack its rows");
    }
}
