//! The operations `documents.*`, as [`ENGINE_OPERATIONS`](crate::ENGINE_OPERATIONS) lists them.

use runstate_core::decision::{AnyCommand, Rejection};
use runstate_core::error_code::ErrorCode;
use runstate_core::id::{CommandId, Revision};
use runstate_core::limits::REPLY_DOCUMENTS;
use runstate_core::operation::{OperationKind, Parameters, nearest_name};
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Collection, Field, Filter, Key, Page, Query, Sort};
use runstate_store::{Freshness, Position, StoredDocument};
use runstate_value::time::Millis;
use runstate_value::{Document, Json, collect_document};
use schemars::JsonSchema;
use serde::Serialize;

use super::{CollectionDeclaration, DocumentCommit, DocumentExpectation, DocumentWrite, PREFIX};
use crate::{ChangeFilter, Engine, EngineChange, Error, Execution};

/// Documents per page, if the caller names no limit.
const DEFAULT_LIMIT: u32 = 100;

/// The members of a reply that are not fields: the id and the revision of the document.
const RESERVED: [&str; 2] = ["_id", "_rev"];

pub(crate) async fn declare(
    engine: Engine,
    declaration: CollectionDeclaration,
) -> Result<CollectionDeclaration, Error> {
    engine.declare_collection(&declaration).await?.try_into()
}

pub(crate) async fn collections(engine: Engine) -> Result<Vec<CollectionDeclaration>, Error> {
    engine.documents().collections().await
}

/// Selects documents by id.
#[derive(Parameters)]
pub(crate) struct GetDocuments {
    /// The collection: one of your own, or `domain.collection`.
    #[operation(subject)]
    collection: String,
    /// The ids of the documents, at most 10,000.
    ids: Vec<String>,
}

pub(crate) async fn get(engine: Engine, parameters: GetDocuments) -> Result<Vec<Option<DocumentReply>>, Error> {
    let GetDocuments { collection, ids } = parameters;
    if ids.len() > REPLY_DOCUMENTS as usize {
        return Err(too_many("documents.get: `ids` has", ids.len()).into());
    }
    let collection = engine.readable_collection(&collection).await?;
    let keys: Vec<Key> = ids.iter().map(|id| Key::new(collection, id)).collect();
    let found = engine.store().get(&keys, Freshness::Linearizable).await?;
    Ok(ids.iter().zip(found).map(|(id, found)| found.map(|found| reply_document(collection, id, &found))).collect())
}

/// A document: its fields, `_id` and `_rev`.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "StoredDocument")]
pub(crate) struct DocumentReply(Document);

/// Selects documents by a condition.
#[derive(Parameters)]
pub(crate) struct QueryDocuments {
    /// The collection: one of your own, or `domain.collection`.
    #[operation(subject)]
    collection: String,
    /// The condition, such as `{"eq": ["tag", "home"]}`; by default all documents.
    #[operation(name = "where")]
    filter: Option<Filter>,
    /// The fields by which the documents are ordered. A `-` before a name means descending. The id is always the last
    /// one.
    order: Option<Vec<String>>,
    /// The cursor of an earlier page of the same query. The reply continues after that page.
    cursor: Option<String>,
    /// The largest number of documents; by default 100, at most 10,000.
    limit: Option<u32>,
    /// Only these top-level fields; by default all.
    fields: Option<Vec<String>>,
}

pub(crate) async fn query(engine: Engine, parameters: QueryDocuments) -> Result<Page<DocumentReply>, Error> {
    let QueryDocuments { collection, filter, order, cursor, limit, fields } = parameters;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if limit > REPLY_DOCUMENTS {
        return Err(too_many("documents.query: `limit` is", limit).into());
    }
    let collection = engine.readable_collection(&collection).await?;
    let filter = filter.unwrap_or(Filter::All);
    let order = order.unwrap_or_default();
    let sorted = order.iter().map(|field| field.strip_prefix('-').unwrap_or(field));
    check_readable("documents.query", collection, filter.fields().into_iter().chain(sorted))?;
    let sort = |field: String| match field.strip_prefix('-') {
        Some(path) => Sort { field: path.to_owned(), direction: Descending },
        None => Sort { field, direction: Ascending },
    };
    let query = Query {
        collection: collection.name.to_owned(),
        filter,
        sort: order.into_iter().map(sort).collect(),
        limit: Some(limit),
        cursor,
        projection: fields.unwrap_or_default(),
        unreadable: true,
    };
    let page = engine.store().query(&query, Freshness::Linearizable).await?;
    Ok(page.map_items(|rows| rows.iter().map(|row| reply_document(collection, &row.id, &row.stored)).collect()))
}

/// Checks that a caller may use these fields in conditions and orders.
fn check_readable<'f>(
    operation: &str,
    collection: &Collection,
    names: impl IntoIterator<Item = &'f str>,
) -> Result<(), Rejection> {
    for name in names {
        let message = match name {
            "_id" | "_rev" => format!(
                "{operation}: `{name}` is not a field of documents; `documents.get` reads documents by their ids"
            ),
            // A condition on a secret, or an order by it, would reveal it bit by bit.
            name if is_secret(collection, name) => format!("{operation}: `{name}` holds a secret; name another field"),
            _ => continue,
        };
        return Err(Rejection::Usage(message));
    }
    Ok(())
}

/// Selects the documents that are counted.
#[derive(Parameters)]
pub(crate) struct CountDocuments {
    /// The collection: one of your own, or `domain.collection`.
    #[operation(subject)]
    collection: String,
    /// The condition, such as `{"eq": ["tag", "home"]}`; by default all documents.
    #[operation(name = "where")]
    filter: Option<Filter>,
}

pub(crate) async fn count(engine: Engine, parameters: CountDocuments) -> Result<u64, Error> {
    let CountDocuments { collection, filter } = parameters;
    let collection = engine.readable_collection(&collection).await?;
    let filter = filter.unwrap_or(Filter::All);
    check_readable("documents.count", collection, filter.fields())?;
    engine.documents().count(collection, filter).await
}

/// Names the collection whose documents are deleted.
#[derive(Parameters)]
pub(crate) struct DropDocuments {
    /// The collection, which is one of your own.
    #[operation(subject)]
    collection: String,
}

/// The result of deleting the documents of a collection.
#[derive(Serialize, JsonSchema)]
pub struct DroppedDocuments {
    /// The number of documents that were deleted.
    pub deleted: u64,
}

pub(crate) async fn drop(
    engine: Engine,
    parameters: DropDocuments,
    id: Option<CommandId>,
) -> Result<DroppedDocuments, Error> {
    if id.is_some() {
        let message = "`documents.drop` takes no `commandId`: a repeat deletes what was written since".to_owned();
        return Err(Error::new(ErrorCode::USAGE, message));
    }
    let collection = engine.declared_collection(&parameters.collection).await?;
    Ok(DroppedDocuments { deleted: engine.documents().drop(collection).await? })
}

/// Writes documents.
#[derive(Parameters)]
pub(crate) struct CommitDocuments {
    /// The writes, at most one for each document.
    writes: Vec<WriteParameters>,
    /// A command that is committed together with the writes.
    command: Option<CommandParameters>,
}

/// One write. It has exactly one of `put`, `insertIfAbsent`, `patch` and `delete`.
#[derive(JsonSchema, Parameters)]
pub(crate) struct WriteParameters {
    /// The collection.
    collection: String,
    /// The id of the document.
    id: String,
    /// The whole document. It may have `_id` and `_rev`, as it was read: `_rev` is then the revision that is expected.
    put: Option<Document>,
    /// The whole document, which is written if no document has this id. One that exists remains as it is.
    #[operation(name = "insertIfAbsent")]
    #[schemars(rename = "insertIfAbsent")]
    insert_if_absent: Option<Document>,
    /// Members to change, as RFC 7396 specifies: null removes a member.
    patch: Option<Document>,
    /// Whether the document is deleted.
    #[schemars(default)]
    delete: bool,
    /// The expected state of the document: `absent`, `any`, or the revision that it must have. By default `any`.
    expect: Option<DocumentExpectation>,
}

/// A command of a domain.
#[derive(JsonSchema, Parameters)]
pub(crate) struct CommandParameters {
    /// The name of its operation.
    name: String,
    /// Its parameters.
    #[schemars(default)]
    #[operation(default = Document::new())]
    parameters: Document,
}

/// The result of a commit.
#[derive(Serialize, JsonSchema)]
pub struct CommitReply {
    /// The new revisions, in the order of the writes; null: the document is deleted, or was not inserted because one
    /// existed.
    pub revisions: Vec<Option<String>>,
    /// The result of the command; null: there was none.
    pub result: Json,
    /// Whether the commit had happened before, under the same command id.
    pub replayed: bool,
}

pub(crate) async fn commit(
    engine: Engine,
    parameters: CommitDocuments,
    id: Option<CommandId>,
) -> Result<CommitReply, Error> {
    let CommitDocuments { writes, command } = parameters;
    let mut prepared = Vec::with_capacity(writes.len());
    for (at, write) in writes.into_iter().enumerate() {
        let collection = engine.declared_collection(&write.collection).await?;
        prepared.push(write.prepare(at, collection)?);
    }
    let mut command = match command {
        None => None,
        Some(CommandParameters { name, parameters }) => {
            let operation = engine.registry().operation(&name);
            let Some(operation) = operation.filter(|found| found.signature.kind == OperationKind::Command) else {
                let names = engine.registry().operations().map(|operation| &operation.signature);
                let names = names.filter(|signature| signature.kind == OperationKind::Command);
                let names: Vec<&str> = names.map(|signature| signature.name).collect();
                let hint =
                    nearest_name(&name, &names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let message = format!("documents.commit: `{name}` is not a command of a domain{hint}");
                return Err(Rejection::Usage(message).into());
            };
            Some((operation.parse)(parameters)?)
        }
    };
    let inner = command.as_mut().map(|command| &mut **command as &mut dyn AnyCommand);
    let mut commit = DocumentCommit::new(prepared, inner);
    let Execution { command: id, replayed, result } = engine.execute_any(&mut commit, id.as_ref(), None).await?;
    let result = commit.reply(result).map_err(Error::internal)?;
    let text = |revision: Option<Revision>| revision.map(|revision| revision.to_string());
    Ok(CommitReply { revisions: commit.revisions(&id).into_iter().map(text).collect(), result, replayed })
}

impl WriteParameters {
    /// The write. `at` is its position in the commit.
    fn prepare(self, at: usize, collection: &'static Collection) -> Result<DocumentWrite, Rejection> {
        let Self { id, put, insert_if_absent, patch, delete, expect, .. } = self;
        let usage = |reason: &str| Rejection::Usage(format!("documents.commit: `writes[{at}]` {reason}"));
        let mut expect = expect;
        let without_reserved = |mut document: Document| {
            let [read_id, read_revision] = RESERVED.map(|name| document.shift_remove(name));
            match read_id.is_some_and(|read| read.as_str() != Some(&id)) {
                true => Err(usage("puts a document whose `_id` differs from `id`")),
                false => Ok((document, read_revision)),
            }
        };
        let write = match (put, insert_if_absent, patch, delete) {
            (Some(put), None, None, false) => {
                let (document, read_revision) = without_reserved(put)?;
                if let Some(revision) = read_revision {
                    // Not an expectation: `any` would drop the check that the revision is for.
                    let revision = revision.as_str().and_then(Revision::parse);
                    let revision = revision.ok_or_else(|| usage("puts a document whose `_rev` is not a revision"))?;
                    expect = expect.or(Some(DocumentExpectation::Revision(revision)));
                }
                DocumentWrite::put(collection, &id, document)
            }
            (None, Some(insert), None, false) => {
                let (document, read_revision) = without_reserved(insert)?;
                if read_revision.is_some() {
                    return Err(usage("inserts a document that has a `_rev`; only a stored one has it"));
                }
                DocumentWrite::insert_if_absent(collection, &id, document)
            }
            (None, None, Some(patch), false) => DocumentWrite::patch(collection, &id, patch),
            (None, None, None, true) => DocumentWrite::delete(collection, &id),
            _ => return Err(usage("needs exactly one of `put`, `insertIfAbsent`, `patch` and `delete`")),
        };
        Ok(write.expect(expect.unwrap_or_default()))
    }
}

/// Selects changes of documents.
#[derive(Parameters)]
pub(crate) struct DocumentChangesParameters {
    /// Only changes after this position; by default changes from now on.
    from: Option<String>,
    /// Only changes in these collections.
    collections: Option<Vec<String>>,
    /// Only changes of documents with these ids.
    ids: Option<Vec<String>>,
    /// The largest number of changes; by default 256.
    limit: Option<u32>,
    /// How long to wait for a change if there is none, in milliseconds.
    #[operation(name = "waitMs", default = Millis(0))]
    wait: Millis,
}

/// Committed changes of documents.
#[derive(Serialize, JsonSchema)]
pub struct DocumentChanges {
    /// In commit order.
    pub events: Vec<DocumentEvent>,
    /// The position at which to continue.
    pub next: Position,
}

/// A committed change of a document.
#[derive(Serialize, JsonSchema)]
pub struct DocumentEvent {
    /// The collection of the document.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// Its new revision; null: the document was deleted.
    pub revision: Option<String>,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of the commit.
    pub position: Position,
}

pub(crate) async fn changes(engine: Engine, parameters: DocumentChangesParameters) -> Result<DocumentChanges, Error> {
    let DocumentChangesParameters { from, collections, ids, limit, wait } = parameters;
    let collections = match collections {
        Some(names) => {
            let mut whole = Vec::with_capacity(names.len());
            for name in names {
                whole.push(engine.declared_collection(&name).await?.name.to_owned());
            }
            whole
        }
        None => vec![format!("{PREFIX}*")],
    };
    let filter = ChangeFilter { collections: Some(collections), subjects: ids, limit };
    let changes = engine.changes(from.map(Position), &filter, wait).await?;
    let events = changes.events.into_iter().map(|EngineChange { event, .. }| DocumentEvent {
        collection: event.key.collection.strip_prefix(PREFIX).unwrap_or_default().to_owned(),
        id: event.key.id.to_string(),
        revision: event.revision.map(|revision| revision.to_string()),
        command: event.command,
        position: event.position,
    });
    Ok(DocumentChanges { events: events.collect(), next: changes.next })
}

/// A document as replies have it: without secrets.
fn reply_document(collection: &Collection, id: &str, stored: &StoredDocument) -> DocumentReply {
    let [own_id, own_revision] = RESERVED;
    let own = [(own_id.to_owned(), id.into()), (own_revision.to_owned(), stored.revision.to_string().into())];
    let mut document = collect_document(own);
    let fields = stored.document.iter().filter(|(name, _)| !is_secret(collection, name));
    document.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
    DocumentReply(document)
}

/// Whether a field, or the object that begins its path, holds a secret of a domain. The secrets of collections that
/// were declared at run time are the caller's own.
fn is_secret(collection: &Collection, path: &str) -> bool {
    let first = path.split('.').next();
    let is_secret = |field: &Field| field.secret && field.name.split('.').next() == first;
    !collection.name.starts_with(PREFIX) && collection.fields.iter().any(is_secret)
}

fn too_many(what: &str, count: impl std::fmt::Display) -> Rejection {
    Rejection::Limit {
        what: format!("{what} {count}"),
        limit: format!("{REPLY_DOCUMENTS} documents in one reply"),
        remedy: "read them page by page",
    }
}
