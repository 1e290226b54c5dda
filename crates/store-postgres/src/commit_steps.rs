//! The statements of a batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use runstate_core::id::Revision;
use runstate_core::schema::Key;
use runstate_store::{Batch, Expectation, StoreError, Write, WriteOp};
use runstate_store_server::{WriteOrder, any_key};
use runstate_value::Json;

use super::codec::{self, column_names, placeholder};
use super::layout::{TableLayout, WriteTexts};
use super::statement::{Param, SqlStatement, quote};
use super::{DeclaredLayouts, ID_LOCK_CLASS};

/// The remainders of hashes of ids are less than this number. The server has memory for some thousands of locks.
const MAX_ID_LOCKS: u32 = 512;

/// A statement of a batch. It is a conflict if it affects no row.
pub(super) struct CommitStep {
    pub(super) key: Key,
    pub(super) statement: SqlStatement,
}

impl CommitStep {
    fn new(key: &Key, text: impl Into<Arc<str>>, params: Vec<Param>) -> Self {
        Self { key: key.clone(), statement: SqlStatement::new(text, params) }
    }
}

fn require<'a>(declarations: &'a DeclaredLayouts, key: &Key) -> Result<&'a TableLayout, StoreError> {
    declarations.layouts.get(key.collection.as_ref()).map(|layout| &**layout).ok_or_else(|| StoreError::Invalid {
        key: key.clone(),
        reason: format!("collection `{}` is not declared", key.collection),
    })
}

/// `[collection, id, revision]`; the revision of a deletion is null.
pub(super) fn change_entry(key: &Key, revision: Option<&Revision>) -> Json {
    let revision = revision.map_or(Json::Null, |revision| revision.to_string().into());
    Json::Array(vec![key.collection.as_ref().into(), (&*key.id).into(), revision])
}

/// The statements that write a document of this table. The id is their first parameter; that of the revision before an
/// update is the last.
pub(super) fn write_texts(layout: &TableLayout) -> &WriteTexts {
    layout.texts.get_or_init(|| {
        let names = column_names(layout);
        let placeholders = names.iter().enumerate().map(|(at, name)| placeholder(name, layout, at + 1));
        let values: Vec<String> = placeholders.collect();
        let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
        let (columns, inserted) = (quoted.join(", "), values.join(", "));
        let typed = layout.columns.keys().map(String::as_str).chain(["_v"]);
        let types: Vec<String> = typed.map(|name| format!("(ARRAY[{0}])[2] AS {0}", quote(name))).collect();
        let types = types.join(", ");
        let insert = match &layout.partition {
            None => format!(
                "INSERT INTO {} ({columns}) VALUES ({inserted}) ON CONFLICT ({}) DO NOTHING RETURNING {types}",
                layout.table,
                quote(layout.id),
            ),
            // No index holds for all partitions. The id is locked.
            Some(_) => format!(
                "INSERT INTO {0} ({columns}) SELECT {inserted} WHERE NOT EXISTS (SELECT 1 FROM {0} AS t WHERE {1}) \
                 RETURNING {types}",
                layout.table,
                layout.has_id("$1")
            ),
        };
        let update = |kept: &[&str]| {
            let set = names.iter().zip(quoted.iter().zip(&values)).filter(|(name, _)| !kept.contains(&name.as_str()));
            let set: Vec<String> = set.map(|(_, (name, value))| format!("{name} = {value}")).collect();
            let before = names.len() + 1;
            let id = layout.has_id("$1");
            let set = set.join(", ");
            format!("UPDATE {} SET {set} WHERE {id} AND \"_rev\" = ${before} RETURNING {types}", layout.table)
        };
        WriteTexts {
            insert: insert.into(),
            update: update(&[layout.id]).into(),
            change: update(&[layout.id, "_v"]).into(),
        }
    })
}

fn insert_step(layout: &TableLayout, key: &Key, params: Vec<Param>) -> CommitStep {
    CommitStep::new(key, write_texts(layout).insert.clone(), params)
}

fn delete_step(layout: &TableLayout, key: &Key, current: &Revision) -> CommitStep {
    let text = format!("DELETE FROM {} WHERE {} AND \"_rev\" = $2", layout.table, layout.has_id("$1"));
    CommitStep::new(key, text, vec![Param::from(&*key.id), Param::from(current.to_string().as_str())])
}

fn update_step(
    layout: &TableLayout,
    write: &Write,
    current: &Revision,
    next: &Revision,
    version: Option<u32>,
) -> CommitStep {
    let empty = Arc::default();
    let after = write.op.document_after().unwrap_or(&empty);
    let texts = write_texts(layout);
    let text = if version.is_some() { &texts.update } else { &texts.change };
    let mut params = codec::encode(layout, &write.key, next, version.unwrap_or(layout.collection.version), after);
    params.push(Param::from(current.to_string().as_str()));
    CommitStep::new(&write.key, text.clone(), params)
}

/// A row that was locked before the batch is written.
pub(super) struct LockedRow {
    pub(super) revision: String,
    pub(super) version: u32,
}

/// Statements that lock the documents whose rows must be known before they are written, and return those that exist:
/// those that are overwritten at any revision, and those that are deleted and inserted again with the version that they
/// have.
pub(super) fn statements_that_lock_first(
    batch: &Batch,
    order: WriteOrder,
    declarations: &DeclaredLayouts,
) -> Vec<SqlStatement> {
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let keeps_version =
        |write: &Write| order == WriteOrder::DeletionsFirst && matches!(write.op, WriteOp::Change { .. });
    for write in batch.writes.iter().filter(|write| write.expect == Expectation::Any || keeps_version(write)) {
        ids.entry(&write.key.collection).or_default().push(write.key.id.to_string());
    }
    let lock = |(collection, ids): (&str, Vec<String>)| {
        let layout = declarations.layouts.get(collection)?;
        let ids: Vec<String> = ids.into_iter().filter(|id| layout.holds_id(id)).collect();
        let text = format!(
            "SELECT $2::text, {}, t.\"_rev\", t.\"_v\" FROM {} AS t WHERE {} ORDER BY t.{} FOR UPDATE",
            layout.id_text(),
            layout.table,
            layout.has_any_id("$1"),
            quote(layout.id)
        );
        Some(SqlStatement::new(text, vec![Param::Texts(ids), Param::from(collection)]))
    };
    ids.into_iter().filter_map(lock).collect()
}

/// The statements of the batch, in the order in which they lock rows.
pub(super) fn commit_steps(
    batch: &Batch,
    order: WriteOrder,
    declarations: &DeclaredLayouts,
    locked: &BTreeMap<(String, String), LockedRow>,
) -> Result<Vec<CommitStep>, StoreError> {
    let mut steps = Vec::new();
    let mut changed: Vec<Json> = Vec::new();
    for check in &batch.checks {
        let layout = require(declarations, &check.key)?;
        let id = layout.has_id("$1");
        let text = format!("SELECT 1 FROM {} AS t WHERE {id} AND t.\"_rev\" = $2 FOR SHARE", layout.table);
        steps.push(CommitStep::new(
            &check.key,
            text,
            vec![Param::from(&*check.key.id), Param::from(check.revision.to_string().as_str())],
        ));
    }
    let mut inserted = Vec::new();
    for write in &batch.writes {
        let layout = require(declarations, &write.key)?;
        let locked = locked.get(&(write.key.collection.to_string(), write.key.id.to_string()));
        let current = match &write.expect {
            Expectation::Absent => None,
            Expectation::Revision(revision) => Some(revision.clone()),
            Expectation::Any => match locked {
                Some(row) => Some(Revision::parse(&row.revision).ok_or_else(|| StoreError::Corrupt {
                    at: write.key.to_string(),
                    why: "its revision is not valid".to_owned(),
                })?),
                None => None,
            },
        };
        let next = current
            .as_ref()
            .map_or_else(|| Revision::first(&batch.command, &write.key.collection, &write.key.id), Revision::next);
        let Some(after) = write.op.document_after() else {
            if let Some(current) = current {
                steps.push(delete_step(layout, &write.key, &current));
                changed.push(change_entry(&write.key, None));
            }
            continue;
        };
        changed.push(change_entry(&write.key, Some(&next)));
        let version = match &write.op {
            WriteOp::Put { version, .. } => Some(*version),
            _ => None,
        };
        match current {
            None => {
                let version = version.unwrap_or(layout.collection.version);
                inserted.push(insert_step(
                    layout,
                    &write.key,
                    codec::encode(layout, &write.key, &next, version, after),
                ));
            }
            Some(current) if order == WriteOrder::DeletionsFirst => {
                steps.push(delete_step(layout, &write.key, &current));
                let kept = locked.map_or(layout.collection.version, |row| row.version);
                let version = version.unwrap_or(kept);
                inserted.push(insert_step(
                    layout,
                    &write.key,
                    codec::encode(layout, &write.key, &next, version, after),
                ));
            }
            Some(current) => steps.push(update_step(layout, write, &current, &next, version)),
        }
    }
    let lock = lock_of_ids(&inserted, declarations);
    if order == WriteOrder::InPlace {
        steps.append(&mut inserted);
    }
    steps.sort_by(|a, b| a.key.cmp(&b.key));
    steps.append(&mut inserted);
    steps.splice(0..0, lock);
    if !changed.is_empty() {
        let text = "INSERT INTO runstate.changes (transaction, command, changes) \
                    VALUES (pg_current_xact_id()::text::bigint, $1, $2)";
        let params = vec![Param::from(batch.command.as_str()), Param::Json(Json::Array(changed).to_string())];
        steps.push(CommitStep::new(&any_key(batch), text, params));
    }
    Ok(steps)
}

/// Fails if the ids of a batch are not possible in tables whose id is a field: no document has an id that is not a UUID,
/// and each one has its id in the field.
pub(super) fn check_ids(batch: &Batch, declarations: &DeclaredLayouts) -> Result<(), StoreError> {
    let of_ids = |key: &Key| declarations.layouts.get(key.collection.as_ref()).filter(|layout| layout.has_id_field());
    for check in &batch.checks {
        if of_ids(&check.key).is_some_and(|layout| !layout.holds_id(&check.key.id)) {
            return Err(StoreError::Conflict { key: check.key.clone() });
        }
    }
    for write in &batch.writes {
        let Some(layout) = of_ids(&write.key) else { continue };
        let invalid = |reason| Err(StoreError::Invalid { key: write.key.clone(), reason });
        let is_uuid = layout.holds_id(&write.key.id);
        match (write.op.document_after(), &write.expect) {
            (_, Expectation::Revision(_)) if !is_uuid => return Err(StoreError::Conflict { key: write.key.clone() }),
            (Some(_), _) if !is_uuid => return invalid("its id must be a UUID in lower case with hyphens".to_owned()),
            (Some(after), _) if after.get(layout.id).and_then(Json::as_str) != Some(&*write.key.id) => {
                return invalid(format!("its field `{}` must be its id", layout.id));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The statement that locks the ids that are inserted into tables with partitions. Several ids may share a lock, so
/// their number is limited.
fn lock_of_ids(inserted: &[CommitStep], declarations: &DeclaredLayouts) -> Option<CommitStep> {
    let is_divided = |collection: &str| declarations.layouts.get(collection).is_some_and(|one| one.partition.is_some());
    let keys: Vec<&Key> = inserted.iter().map(|step| &step.key).filter(|key| is_divided(&key.collection)).collect();
    let text = format!(
        "SELECT pg_advisory_xact_lock({ID_LOCK_CLASS}, one.lock) FROM (SELECT DISTINCT hashtext(id) % {MAX_ID_LOCKS} AS lock \
         FROM unnest($1) AS id ORDER BY lock) AS one"
    );
    let ids = keys.iter().map(|key| key.to_string()).collect();
    keys.first().map(|key| CommitStep::new(key, text, vec![Param::Texts(ids)]))
}
