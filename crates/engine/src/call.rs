//! Operations called by name, with JSON parameters and a JSON result: those of the domains, and the engine's own. Every
//! face of the library but typed Rust goes through here.

use runstate_core::decision::Rejection;
use runstate_core::error_code::ErrorCode;
use runstate_core::id::CommandId;
use runstate_core::marker::BoxFuture;
use runstate_core::operation::{
    Mismatch, NoParameters, OperationKind, Parameter, Parameters, Signature, check_names, nearest_name,
};
use runstate_core::schema::Page;
use runstate_store::{Capabilities, Freshness, Position};
use runstate_value::time::{Millis, Timestamp};
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::Serialize;

use super::documents::operations::{
    self, CommitDocuments, CommitReply, CountDocuments, DocumentChanges, DocumentChangesParameters, DocumentReply,
    DropDocuments, DroppedDocuments, GetDocuments, QueryDocuments,
};
use super::{ChangeFilter, CollectionDeclaration, DueReport, Engine, EngineChange, Error, Info, RunLimit};

/// An operation of the engine itself.
pub struct EngineOperation {
    /// Its name, kind, parameters and documentation.
    pub signature: Signature,
    run: OperationFunction,
}

impl EngineOperation {
    /// The operation, which may be the first in a store.
    const fn creating(mut self) -> Self {
        self.signature.creates = true;
        self
    }
}

/// Runs an operation with its parameters, and with the id of its command if the caller chose one.
type OperationFunction = fn(Engine, Document, Option<CommandId>) -> BoxFuture<'static, Result<Json, Error>>;

/// The parameter of every command: its id.
const COMMAND_ID: &str = "commandId";

impl Engine {
    /// Calls the operation `name`: of a domain, or of the engine ([`ENGINE_OPERATIONS`]). Every command also takes
    /// `commandId`: a repeat of it returns the first result.
    ///
    /// Errors: `usage` for an unknown operation and for parameters that it does not take; those of the operation.
    pub async fn call(&self, name: &str, parameters: Document) -> Result<Json, Error> {
        self.call_parts(name, parameters, None).await
    }

    /// Calls an operation; of a command, the first part alone. The rest of the work is due later, as after
    /// [`Engine::execute_part`].
    pub async fn call_part(&self, name: &str, parameters: Document) -> Result<Json, Error> {
        self.call_parts(name, parameters, Some(0)).await
    }

    async fn call_parts(&self, name: &str, mut parameters: Document, max_parts: Option<u32>) -> Result<Json, Error> {
        if let Some(operation) = ENGINE_OPERATIONS.iter().find(|operation| operation.signature.name == name) {
            let id = take_command_id(&operation.signature, &mut parameters)?;
            return (operation.run)(self.clone(), parameters, id).await;
        }
        let operation = self.registry().operation(name).ok_or_else(|| self.unknown_operation(name))?;
        let id = take_command_id(&operation.signature, &mut parameters)?;
        let mut command = (operation.parse)(parameters)?;
        let result = match operation.signature.kind {
            OperationKind::Command => self.execute_any(&mut *command, id.as_ref(), max_parts).await?.result,
            OperationKind::Query => {
                self.query_any(&mut *command).await?;
                None
            }
        };
        command.reply(result).map_err(Error::internal)
    }

    /// The names, kinds, parameters and documentation of all operations that [`Engine::call`] accepts.
    pub fn signatures(&self) -> impl Iterator<Item = &'static Signature> + '_ {
        let own = ENGINE_OPERATIONS.iter().map(|operation| &operation.signature);
        own.chain(self.registry().operations().map(|operation| &operation.signature))
    }

    fn unknown_operation(&self, name: &str) -> Error {
        let names: Vec<&str> = self.signatures().map(|signature| signature.name).collect();
        let domain = name.split('.').next().unwrap_or_default();
        let hint = match nearest_name(name, &names) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if !names.iter().any(|known| known.starts_with(&format!("{domain}."))) => {
                format!("; this store was not opened with a domain `{domain}`")
            }
            None => String::new(),
        };
        Error::new(ErrorCode::USAGE, format!("`{name}` is not an operation{hint}"))
    }
}

/// Takes the id of a command from its parameters; a query has none. An unknown name is rejected here, because it may be
/// a mistyped `commandId`.
fn take_command_id(signature: &Signature, parameters: &mut Document) -> Result<Option<CommandId>, Error> {
    if signature.kind == OperationKind::Query {
        return Ok(None);
    }
    let rejected = |mismatch: Mismatch| mismatch.into_rejection(signature.name);
    let names: Vec<&str> = signature.parameters.iter().map(|one| one.name).chain([COMMAND_ID]).collect();
    check_names(parameters, &names).map_err(rejected)?;
    match parameters.shift_remove(COMMAND_ID) {
        None | Some(Json::Null) => Ok(None),
        Some(id) => {
            let id = String::from_json(id).map_err(|mismatch| rejected(mismatch.within(COMMAND_ID)))?;
            Ok(Some(CommandId::new(&id)?))
        }
    }
}

macro_rules! engine_operation {
    (
        $(#[doc = $doc:literal])+
        $name:literal $(as $cli:literal)?, $kind:ident, $parameters:ty => $result:ty, $run:expr
    ) => {
        EngineOperation {
            signature: Signature {
                name: $name,
                kind: OperationKind::$kind,
                creates: false,
                parameters: <$parameters as Parameters>::PARAMETERS,
                description: runstate_core::description!(
                    $name,
                    concat!($($doc, "\n"),+),
                    None$(.or(Some($cli)))?,
                    $parameters,
                    $result
                ),
            },
            run: |engine, parameters, id| {
                Box::pin(async move {
                    let parameters = <$parameters as Parameters>::read_all($name, parameters)?;
                    let result: Result<$result, Error> = $run(engine, parameters, id).await;
                    serde_json::to_value(result?).map_err(|error| Error::internal(error.to_string()))
                })
            },
        }
    };
}

/// The operations of the engine itself.
pub static ENGINE_OPERATIONS: &[EngineOperation] = &[
    engine_operation!(
        /// Information about the store: capabilities, health, and the number of documents in each collection.
        "store.info" as "info", Query, NoParameters => Info, async |engine: Engine, _, _| engine.info().await
    ),
    engine_operation!(
        /// The reason why the store cannot be used now; null if it can. Reads one row, whatever the store holds, and a
        /// file store writes a file and removes it.
        "store.health" as "health", Query, NoParameters => Option<Error>,
        async |engine: Engine, _, _| Ok(engine.health().await)
    ),
    engine_operation!(
        /// The capabilities of the store.
        "store.capabilities", Query, NoParameters => Capabilities,
        async |engine: Engine, _, _| Ok(engine.store().capabilities())
    ),
    #[cfg(feature = "verify")]
    engine_operation!(
        /// Checks all that the store holds: documents, indexes, references, and that the documents of each entity agree
        /// with each other.
        "store.verify" as "verify", Query, NoParameters => runstate_store::VerifyReport,
        async |engine: Engine, _, _| engine.verify(|_| {}).await
    ),
    engine_operation!(
        /// Committed changes after a position, in commit order, each at least once. If there are none it waits for one.
        ///
        /// Errors: `position_expired` (the store no longer keeps the changes after it: read the documents and start
        /// without a position), `invalid` (it is not a position), `not_found` (a collection is not declared).
        "store.changes", Query, ChangesParameters => StoreChanges, store_changes
    ),
    engine_operation!(
        /// Runs the work that is due now, of all domains, and removes the rows that have expired: all of them, or with
        /// the run limit `slice` at most `limit` of each collection.
        "due.run", Command, RunDueParameters => DueReport, run_due
    ),
    engine_operation!(
        /// The time at which work is next due; null: not before another command. A time in the past means now.
        "due.next", Query, NextDueParameters => Option<Timestamp>,
        async |engine: Engine, NextDueParameters { known }, _| {
            engine.next_due(if known { Freshness::Session } else { Freshness::Linearizable }).await
        }
    ),
    engine_operation!(
        /// Declares a collection of documents. The same declaration again has no effect. One that adds fields, indexes
        /// or allowed values gets the next version; one that stored documents or other programs could not follow is
        /// refused. A declaration without a version never changes one whose version was given, also by another program.
        /// A stored declaration of an earlier program counts as one without a version until it is declared with its
        /// version.
        ///
        /// Errors: `invalid` (not a valid declaration, or one that is not compatible with the stored one),
        /// `newer_version` (an older version than the stored one; a different declaration without a version, where the
        /// stored one has a version), `limit`.
        "documents.declare", Command, CollectionDeclaration => CollectionDeclaration,
        async |engine, parameters, _| operations::declare(engine, parameters).await
    )
    .creating(),
    engine_operation!(
        /// The declared collections of documents, by name.
        "documents.collections", Query, NoParameters => Vec<CollectionDeclaration>,
        async |engine, _, _| operations::collections(engine).await
    ),
    engine_operation!(
        /// The documents with these ids, in their order; null for a document that does not exist.
        ///
        /// Errors: `not_found` (the collection is not declared), `limit`.
        "documents.get", Query, GetDocuments => Vec<Option<DocumentReply>>,
        async |engine, parameters, _| operations::get(engine, parameters).await
    ),
    engine_operation!(
        /// Documents that match a condition, in order, page by page.
        ///
        /// Errors: `not_found` (the collection is not declared), `limit`, `invalid` (the cursor is of another query).
        "documents.query", Query, QueryDocuments => Page<DocumentReply>,
        async |engine, parameters, _| operations::query(engine, parameters).await
    ),
    engine_operation!(
        /// The number of documents that match a condition. The store counts them.
        ///
        /// Errors: `not_found` (the collection is not declared).
        "documents.count", Query, CountDocuments => u64,
        async |engine, parameters, _| operations::count(engine, parameters).await
    ),
    engine_operation!(
        /// Writes documents, and a command if one is named, in one commit: all of it happens, or nothing. If the
        /// command has further parts, the documents are written with the first one.
        ///
        /// Errors: `conflict` (a document does not have the expected revision; `details` has both), `not_found` (the
        /// collection is not declared, or a patched document does not exist), `invalid`, `unique_violation`,
        /// `too_large`, `limit`; those of the command.
        "documents.commit", Command, CommitDocuments => CommitReply, operations::commit
    ),
    engine_operation!(
        /// Deletes all documents of a collection that was declared at run time, also those that cannot be read. The
        /// declaration remains. A call deletes them in several commits. One that was interrupted has deleted a part of
        /// them, and the next one continues. Documents that are written meanwhile may remain. A repeat deletes what was
        /// written since, so it takes no `commandId`.
        ///
        /// Errors: `not_found` (the collection is not declared, or is one of a domain), `usage` (a `commandId`).
        "documents.drop", Command, DropDocuments => DroppedDocuments, operations::drop
    ),
    engine_operation!(
        /// Committed changes of documents after a position, in commit order, each at least once. If there are none it
        /// waits for one.
        ///
        /// Errors: `position_expired` (the store no longer keeps the changes after it: read the documents and start
        /// without a position), `invalid` (it is not a position), `not_found` (a collection is not declared).
        "documents.changes", Query, DocumentChangesParameters => DocumentChanges,
        async |engine, parameters, _| operations::changes(engine, parameters).await
    ),
];

/// Selects changes.
#[derive(Parameters)]
struct ChangesParameters {
    /// Only changes after this position; by default changes from now on.
    from: Option<String>,
    /// Only changes of these collections: of your own, or `domain.collection`.
    collections: Option<Vec<String>>,
    /// Only changes of these documents and of documents that refer to them.
    subjects: Option<Vec<String>>,
    /// The largest number of changes; by default 256.
    limit: Option<u32>,
    /// How long to wait for a change if there is none, in milliseconds.
    #[operation(name = "waitMs", default = Millis(0))]
    wait: Millis,
}

/// Committed changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoreChanges {
    /// In commit order.
    pub events: Vec<StoreChange>,
    /// The position at which to continue.
    pub next: Position,
}

/// A committed change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoreChange {
    /// The collection of the document.
    pub collection: String,
    /// Its id.
    pub id: String,
    /// The id of the document that it is a part of; null: none, or the document was deleted.
    pub document: Option<String>,
    /// Its new revision; null: the document was deleted.
    pub revision: Option<String>,
    /// The command that changed it.
    pub command: CommandId,
    /// The position of the commit.
    pub position: Position,
}

async fn store_changes(
    engine: Engine,
    parameters: ChangesParameters,
    _: Option<CommandId>,
) -> Result<StoreChanges, Error> {
    let ChangesParameters { from, collections, subjects, limit, wait } = parameters;
    let from = from.map(Position);
    let collections = engine.readable_collections(collections).await?;
    let changes = engine.changes(from, &ChangeFilter { collections, subjects, limit }, wait).await?;
    let events = changes.events.into_iter().map(|EngineChange { event, document }| StoreChange {
        document,
        collection: event.key.collection.into_owned(),
        id: event.key.id.to_string(),
        revision: event.revision.map(|revision| revision.to_string()),
        command: event.command,
        position: event.position,
    });
    Ok(StoreChanges { events: events.collect(), next: changes.next })
}

/// Selects due work.
#[derive(Parameters)]
struct RunDueParameters {
    /// The largest number of entities of each due rule; by default 1,000.
    #[operation(default = 1_000)]
    limit: u32,
    /// How far each entity is driven; by default to the end of its work.
    run_limit: Option<RunLimit>,
    /// Only this rule; it needs `before`.
    rule: Option<String>,
    /// Entities of that rule whose time is before this one, whatever the settings say.
    before: Option<Timestamp>,
}

async fn run_due(engine: Engine, parameters: RunDueParameters, _: Option<CommandId>) -> Result<DueReport, Error> {
    let RunDueParameters { limit, run_limit, rule, before } = parameters;
    let run_limit = run_limit.unwrap_or(RunLimit::Stop);
    let (name, before) = match (rule, before) {
        (None, None) => return engine.run_due(limit, run_limit).await,
        (Some(name), Some(before)) => (name, before),
        _ => return Err(Rejection::Usage("due.run: pass `rule` and `before` together, or neither".to_owned()).into()),
    };
    let names: Vec<&str> = engine.registry().due_rules().map(|rule| rule.name).collect();
    let Some(rule) = engine.registry().due_rules().find(|rule| rule.name == name) else {
        let message = format!("due.run: `{name}` is not a due rule; the rules are {}", names.join(", "));
        return Err(Rejection::Usage(message).into());
    };
    let mut report = DueReport::default();
    engine.run_rule(rule, before, limit, run_limit, &mut report).await?;
    Ok(report)
}

/// Where the next due time is searched.
#[derive(Parameters)]
struct NextDueParameters {
    /// Whether it may miss recent commits of other processes, which is cheaper.
    known: bool,
}
