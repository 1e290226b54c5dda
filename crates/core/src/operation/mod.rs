//! The registry: the declarations of domains, from which every face (JSON calls, command line, MCP, JavaScript,
//! documentation) is derived.
//!
//! | file | contents |
//! |---|---|
//! | `parameter.rs` | parameters: their declaration, and reading them from JSON with errors that help |
//! | `filter.rs` | conditions as parameters |
//! | `entity_queries.rs` | the queries of an entity that need no code: one document, and lists |
//! | `due.rs` | due rules: how work whose time has come is found, and the command that does it |
//! | `work_item.rs`, `backoff.rs` | items as workers handle them, and when failed work is retried |
//! | `trigger.rs` | changes that a domain adds to the commits of another one |
//! | `webhook_secret.rs` | the secret of a webhook |
//! | `registry.rs` | the domains of one engine, checked once |
//! | `verification.rs` | how verification checks that the documents of an entity agree |
//! | `description.rs` | documentation and schemas, for builds that have them |

mod backoff;
mod description;
mod due;
mod entity_queries;
mod filter;
mod parameter;
mod registry;
mod schema_macros;
mod trigger;
mod verification;
mod webhook_secret;
mod work_item;

pub use runstate_derive::{Operation, Parameter, Parameters};
use runstate_value::{Document, Json};

use crate::decision::{
    AnyCommand, BudgetPort, Command, DomainQuery, DomainSettings, EngineSettings, Lifecycle, OperationName,
    ProgramPort, Rejection, SchemaPort, TypedCommand, TypedQuery, transition_table,
};
use crate::error_code::CodeDeclaration;
use crate::schema::Collection;
pub use backoff::Backoff;
pub use description::Description;
#[doc(hidden)]
pub use description::{DescribedParameter, filter_schema, parameter_schema, sort_schema};
pub use due::{DueKind, DueRow, DueRule};
#[doc(hidden)]
pub use entity_queries::{EntityParameters, list_parameters};
pub use entity_queries::{EntityQueries, ListEntities, ShowEntity};
pub use parameter::check_names;
pub use parameter::{
    Mismatch, NoParameters, Parameter, ParameterDeclaration, ParameterReader, Parameters, nearest_name,
};
#[doc(hidden)]
pub use parameter::{expected_object, expected_word, read_object, read_word};
pub use registry::{Registry, RegistryError};
pub use trigger::{Audit, AuditedCommand, ChangedDocument, Trigger};
pub use verification::{EntityCheck, RowsCheck, RowsComparison};
pub use webhook_secret::{GONE, WebhookSecret};
pub use work_item::{Failure, WorkItem, WorkItemVisitor};

/// The face of an operation: everything that a caller by name must know.
#[derive(Debug)]
pub struct Signature {
    /// Its name: `domain.verb` or `domain.noun.verb`, each word in camel case.
    pub name: &'static str,
    /// Whether it changes documents.
    pub kind: OperationKind,
    /// Whether it may be the first in a store: it needs no document that another operation has created.
    pub creates: bool,
    /// Its parameters, in order.
    pub parameters: &'static [ParameterDeclaration],
    /// Its documentation; `None` in builds without the feature `schema`.
    pub description: Option<fn() -> Description>,
}

/// Whether an operation changes documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// It changes documents, under a command id. It may take several commits ([`Command::next`]).
    Command,
    /// It reads documents.
    Query,
}

/// An operation of a domain.
#[derive(Debug)]
pub struct OperationDeclaration {
    /// Its name, kind, parameters and documentation.
    pub signature: Signature,
    /// Reads the parameters and makes the command.
    pub parse: fn(Document) -> Result<Box<dyn AnyCommand>, Rejection>,
}

/// An operation, declared by the struct of its parameters. `#[derive(Operation)]` implements it.
pub trait Operation: Parameters + OperationName {
    /// The declaration.
    const OPERATION: OperationDeclaration;
}

/// Reads parameters and makes the command that they are converted to. For `#[derive(Operation)]`.
#[doc(hidden)]
pub fn parse_command<P, C>(parameters: Document) -> Result<Box<dyn AnyCommand>, Rejection>
where
    P: Parameters + OperationName + TryInto<C>,
    P::Error: Into<Rejection>,
    C: Command + 'static,
{
    parse(P::NAME, P::PARAMETERS, parameters, |reader| {
        let command = P::read(reader)?.try_into().map_err(|error| ParameterError::Rejection(Box::new(error.into())))?;
        Ok(TypedCommand::boxed(command))
    })
}

/// Reads parameters and makes the query that they are converted to. For `#[derive(Operation)]`.
#[doc(hidden)]
pub fn parse_query<P, Q>(parameters: Document) -> Result<Box<dyn AnyCommand>, Rejection>
where
    P: Parameters + OperationName + TryInto<Q>,
    P::Error: Into<Rejection>,
    Q: DomainQuery + 'static,
{
    parse(P::NAME, P::PARAMETERS, parameters, |reader| {
        let query = P::read(reader)?.try_into().map_err(|error| ParameterError::Rejection(Box::new(error.into())))?;
        Ok(TypedQuery::boxed(query))
    })
}

/// The reason why parameters do not make a command. It is small, because each operation returns it.
enum ParameterError {
    Mismatch(Mismatch),
    Rejection(Box<Rejection>),
}

impl From<Mismatch> for ParameterError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

/// The part of a parser that all operations share. `make` reads the parameters and makes the command.
#[inline(never)]
fn parse(
    name: &'static str,
    known: &[ParameterDeclaration],
    parameters: Document,
    make: fn(&mut ParameterReader) -> Result<Box<dyn AnyCommand>, ParameterError>,
) -> Result<Box<dyn AnyCommand>, Rejection> {
    let made = ParameterReader::of(parameters, known)
        .map_err(ParameterError::Mismatch)
        .and_then(|mut reader| make(&mut reader));
    made.map_err(|error| match error {
        ParameterError::Mismatch(mismatch) => mismatch.into_rejection(name),
        ParameterError::Rejection(rejection) => *rejection,
    })
}

/// A call by name: the operation and its parameters.
pub type Completion = (&'static str, fn() -> Document);

/// A domain: its entities, and what can be done with them.
///
/// ```
/// use runstate::operation::Domain;
/// use runstate::schema::{Collection, Field};
///
/// static NOTES: Collection = Collection::new("demo.notes", 1).fields(&[Field::text("title")]);
/// static DEMO: Domain = Domain::new("demo").collections(&[&NOTES]);
/// assert!(runstate::operation::Registry::new(&[&DEMO]).is_ok());
/// assert!(runstate::operation::Registry::new(&[&DEMO, &DEMO]).is_err());
/// ```
#[derive(Debug)]
pub struct Domain {
    /// Its name, the first part of the names of its collections and operations.
    pub name: &'static str,
    /// Its collections.
    pub collections: &'static [&'static Collection],
    /// Those of its collections that hold what people define, such as programs and configurations. A worker only reads
    /// them.
    pub definitions: &'static [&'static Collection],
    /// Its operations.
    pub operations: &'static [&'static OperationDeclaration],
    /// Its due rules, in the order in which due work is done.
    pub due: &'static [&'static DueRule],
    /// Its triggers.
    pub triggers: &'static [Trigger],
    /// Its budgets, if it keeps any. At most one domain of an engine does.
    pub budgets: Option<&'static BudgetPort>,
    /// Its programs, if it runs any. At most one domain of an engine does.
    pub programs: Option<&'static ProgramPort>,
    /// Its schemas of values, if it has them. At most one domain of an engine does.
    pub schemas: Option<&'static SchemaPort>,
    /// Its audit log, if it has one.
    pub audit: Option<Audit>,
    /// What completes documents that another program wrote. An import of such documents ends with it.
    pub completion: Option<Completion>,
    /// Its error codes.
    pub codes: &'static [CodeDeclaration],
    /// Its settings, if it has any.
    pub settings: Option<&'static SettingsDeclaration>,
    /// How verification checks that the documents of an entity agree with each other.
    pub checks: &'static [&'static EntityCheck],
    /// The lifecycles of its entities, for the documentation.
    pub lifecycles: &'static [LifecycleDeclaration],
    /// The bytes that go with a document of a collection when it expires, and are stored elsewhere; by default none.
    pub external_bytes: fn(&str, &Document) -> u64,
    /// How an export that is a folder shows its documents; by default each collection has a folder, and each document a
    /// file named by its id.
    pub files: Option<&'static FileLayout>,
}

/// The lifecycle of an entity.
#[derive(Clone, Copy, Debug)]
pub struct LifecycleDeclaration {
    /// The entity with its article: `an execution`.
    pub entity: &'static str,
    /// Its table of statuses and commands, in builds with the feature `schema`; see [`transition_table`].
    pub table: Option<fn() -> String>,
}

impl LifecycleDeclaration {
    /// The lifecycle `L` of `entity`.
    pub const fn new<L: Lifecycle>(entity: &'static str) -> Self {
        Self { entity, table: if crate::HAS_SCHEMAS { Some(transition_table::<L>) } else { None } }
    }
}

/// The layout of the documents of a domain in an export that is a folder. Each function gets the name of the collection
/// and the document.
#[derive(Debug)]
pub struct FileLayout {
    /// The folder of the file: its name, and those of the folders above it first.
    pub folder: fn(&str, &Document) -> Vec<String>,
    /// The name of the file without its extension; `None`: the id of the document.
    pub name: fn(&str, &Document) -> Option<String>,
    /// Fields for people that the file has in addition. A field of the document with the same name takes precedence.
    pub fields: fn(&str, &Document) -> Vec<(&'static str, Json)>,
}

/// The settings of a domain, for callers without their type.
#[derive(Debug)]
pub struct SettingsDeclaration {
    /// The options, as parameters.
    pub parameters: &'static [ParameterDeclaration],
    /// Their documentation and schemas: [`Parameters::DESCRIBED`].
    pub described: &'static [DescribedParameter],
    /// Adds the settings that the options describe.
    pub apply: fn(EngineSettings, &mut ParameterReader) -> Result<EngineSettings, Mismatch>,
}

impl SettingsDeclaration {
    /// Settings whose fields are the options.
    pub const fn new<S: DomainSettings + Parameters>() -> Self {
        Self {
            parameters: S::PARAMETERS,
            described: S::DESCRIBED,
            apply: |settings, reader| Ok(settings.with(S::read(reader)?)),
        }
    }
}

impl Domain {
    /// An empty domain.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            collections: &[],
            definitions: &[],
            operations: &[],
            due: &[],
            triggers: &[],
            budgets: None,
            programs: None,
            schemas: None,
            audit: None,
            completion: None,
            codes: &[],
            settings: None,
            checks: &[],
            lifecycles: &[],
            external_bytes: |_, _| 0,
            files: None,
        }
    }

    setters! {
        collections: &'static [&'static Collection],
        definitions: &'static [&'static Collection],
        operations: &'static [&'static OperationDeclaration],
        due: &'static [&'static DueRule],
        triggers: &'static [Trigger],
        codes: &'static [CodeDeclaration],
        checks: &'static [&'static EntityCheck],
        lifecycles: &'static [LifecycleDeclaration],
        external_bytes: fn(&str, &Document) -> u64;
        some budgets: &'static BudgetPort,
        some programs: &'static ProgramPort,
        some schemas: &'static SchemaPort,
        some audit: Audit,
        some settings: &'static SettingsDeclaration,
        some files: &'static FileLayout;
    }

    /// Sets the operation that completes documents of another program.
    pub const fn completion(mut self, operation: &'static str, parameters: fn() -> Document) -> Self {
        self.completion = Some((operation, parameters));
        self
    }

    /// Whether a collection or operation of this name belongs to the domain.
    pub fn owns(&self, name: &str) -> bool {
        name.strip_prefix(self.name).is_some_and(|rest| rest.starts_with('.'))
    }
}
