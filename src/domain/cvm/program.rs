//! Programs and their versions. A program repeats its newest version, as in the schema that it continues. Executions read only version
//! rows, which never change.
//!
//! A program without executions can be removed with its versions. Every start depends on the program's row, so the
//! removal marks that row first. After the mark no execution can start, and only then does the removal look for
//! executions.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::compilation::compile;
use super::execution::EXECUTIONS;
use super::{document, row_id};
use crate::decision::{
    AnyCommand, CachedValue, Change, Command, Ctx, Decision, LoadedDocument, ReadSet, Rejection, TypedCommand, View,
};
use crate::domain::cvm::codes;
use crate::error_code::ErrorCode;
use crate::id::{hex, sha256};
use crate::operation::Operation;
use crate::schema::{Collection, Entity, Fields, Key, Query};
use crate::time::Timestamp;
use crate::value::{self, Json, canonical_json};
use crate::vm::{BYTECODE_VERSION, Instruction};
use crate::{id, vm};

/// A program under its name.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "cvm.programs", version = 1, read_mostly, rename_all = "camelCase")]
#[index(name, unique)]
#[index(each(tags))]
#[index(created desc)]
pub struct Program {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// Unique name.
    #[entity(max = crate::limits::ID_BYTES)]
    pub name: String,
    /// Its purpose.
    pub description: Option<String>,
    /// Source of the newest version.
    pub source: String,
    /// Bytecode of the newest version.
    pub bytecode: Vec<Instruction>,
    /// How the newest version was compiled.
    pub metadata: Metadata,
    /// When it was first loaded.
    pub created: Timestamp,
    /// When its newest version was loaded.
    pub modified: Timestamp,
    /// Tags to find it by.
    #[entity(omit_default)]
    pub tags: Vec<String>,
    /// Its newest version, from 1.
    pub program_version: u32,
    /// Whether it is being removed. It cannot be started until it is loaded again.
    #[entity(omit_default)]
    pub removing: bool,
}

/// How a version was compiled.
#[derive(Fields, Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Version of the bytecode.
    pub version: u32,
    /// When it was compiled.
    pub compiled: Timestamp,
    /// The compiler: `runstate:0.1.0`.
    pub compiler: String,
}

/// One version of a program. It never changes: an execution keeps the version that it started with.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "cvm.program_versions", version = 1, insert_only, rename_all = "camelCase")]
#[index(program_id, program_version, unique)]
pub struct ProgramVersion {
    /// Derived from program and version.
    #[entity(id)]
    pub id: String,
    /// The program.
    #[entity(references = "cvm.programs", shard)]
    pub program_id: String,
    /// The version, from 1.
    pub program_version: u32,
    /// Its source.
    pub source: String,
    /// Its bytecode.
    pub bytecode: Vec<Instruction>,
    /// How it was compiled.
    #[entity(declared("compiled" = optional))]
    pub metadata: Metadata,
    /// When it was loaded.
    pub created: Timestamp,
}

/// `cvm.programs`.
pub const PROGRAMS: Collection = Program::COLLECTION;

/// `cvm.program_versions`.
pub const PROGRAM_VERSIONS: Collection = ProgramVersion::COLLECTION;

crate::serialized_field_type!(Instruction: Object);

/// Loads a program under a name. Loading the same source again changes nothing; a changed source becomes the next version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The name.
    pub name: String,
    /// The source, for people and for recompilation.
    pub source: String,
    /// The compiled bytecode, which is verified here.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// Its purpose; `None` keeps the current one.
    pub description: Option<String>,
    /// Tags to find it by; `None` keeps the current ones.
    pub tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; `None`: a new id. Error `already_exists`: another program has the id, or the name
    /// belongs to a program with another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Loads a program under a name. Loading the same source again changes nothing; a changed source becomes the next version.
///
/// Errors: `compile_error` (`details.diagnostics` says where and why), `invalid` (the name or id), `invalid_bytecode`, `already_exists` (another
/// program has the id, or the name belongs to a program with another id).
#[derive(Debug, Operation)]
#[operation(name = "cvm.load", cli = "load", command = Load)]
pub struct LoadParameters {
    /// The name.
    #[operation(subject)]
    name: String,
    /// The source, in TypeScript.
    source: String,
    /// The bytecode of the source; by default the source is compiled, if this build has the compiler.
    bytecode: Option<Vec<Json>>,
    /// The compiler and version that made `bytecode`.
    compiler: Option<String>,
    /// Its purpose; by default the current one is kept.
    description: Option<String>,
    /// Tags to find it by; by default the current ones are kept.
    tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; by default a new id.
    id: Option<String>,
}

impl TryFrom<LoadParameters> for Load {
    type Error = Rejection;

    fn try_from(parameters: LoadParameters) -> Result<Self, Rejection> {
        let LoadParameters { name, source, bytecode, compiler, description, tags, id } = parameters;
        let (bytecode, compiler) = match bytecode {
            None => (compile(&name, &source)?, None),
            Some(instructions) => {
                let invalid =
                    |error: value::DeserializeError| Rejection::domain(codes::INVALID_BYTECODE, error.to_string());
                (
                    value::from_value(&Json::Array(instructions)).map_err(invalid)?,
                    Some(compiler.unwrap_or("unknown".to_owned())),
                )
            }
        };
        let load = Self::new(&name, &source, bytecode);
        Ok(Self { compiler: compiler.unwrap_or(load.compiler), description, tags, id, ..load })
    }
}

impl Load {
    /// The program `source`, compiled by this library to `bytecode`, under `name`.
    pub fn new(name: &str, source: &str, bytecode: Vec<Instruction>) -> Self {
        let compiler = concat!("runstate:", env!("CARGO_PKG_VERSION")).to_owned();
        let (name, source) = (name.to_owned(), source.to_owned());
        Self { name, source, bytecode, compiler, description: None, tags: None, id: None }
    }

    /// The id requested for a new program.
    fn own_id(&self) -> Result<Option<&str>, Rejection> {
        let Some(id) = &self.id else { return Ok(None) };
        id::check(id).map_err(|e| Rejection::Invalid { field: "id".to_owned(), reason: e.to_string() })?;
        Ok(Some(id))
    }
}

/// The result of loading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadedProgram {
    /// Id of the program.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its newest version.
    pub program_version: u32,
    /// Whether loading changed anything.
    pub changed: bool,
}

impl Command for Load {
    const NAME: &'static str = "cvm.load";
    type Output = LoadedProgram;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::empty().query("program", by_name(&self.name));
        match view.rows("program") {
            Some([(key, found), ..]) => match document::read::<Program>(key, found) {
                Ok(program) if program.removing => reads.with_key(version_key(&program.id, program.program_version)),
                // The decision reports a program that cannot be read.
                _ => reads,
            },
            Some([]) => match &self.id {
                Some(id) => reads.with_key(Key::new(&PROGRAMS, id)),
                None => reads,
            },
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<LoadedProgram>, Rejection> {
        let own_id = self.own_id()?;
        id::check(&self.name).map_err(|e| Rejection::Invalid { field: "name".to_owned(), reason: e.to_string() })?;
        vm::VerifiedProgram::decode(&self.bytecode)
            .map_err(|e| Rejection::domain(codes::INVALID_BYTECODE, e.to_string()))?;
        let metadata = Metadata { version: BYTECODE_VERSION, compiled: ctx.now, compiler: self.compiler.clone() };
        match view.rows("program").unwrap_or_default() {
            [] => {
                if let Some(id) = own_id
                    && view.get(&Key::new(&PROGRAMS, id)).is_some()
                {
                    return Err(Rejection::AlreadyExists { what: "program", id: id.to_owned() });
                }
                let program = Program {
                    id: own_id.map_or_else(|| ctx.new_id(), str::to_owned),
                    name: self.name.clone(),
                    description: self.description.clone(),
                    source: self.source.clone(),
                    bytecode: self.bytecode.clone(),
                    metadata,
                    created: ctx.now,
                    modified: ctx.now,
                    tags: self.tags.clone().unwrap_or_default(),
                    program_version: 1,
                    removing: false,
                };
                let key = Key::new(&PROGRAMS, &program.id);
                let insert = Change::Insert { key, document: document::write(&program)? };
                Ok(Decision::new(program.to_loaded_program(true)).change(insert).change(program.version_row(ctx.now)?))
            }
            [(key, found), ..] => {
                let before: Program = document::read(key, found)?;
                if own_id.is_some_and(|id| id != before.id) {
                    let message = format!(
                        "program `{}` already exists under the id `{}`; nothing was changed. Choose another name, or leave the id out",
                        self.name, before.id
                    );
                    return Err(Rejection::domain(ErrorCode::ALREADY_EXISTS, message));
                }
                let mut after = Program {
                    description: self.description.clone().or(before.description.clone()),
                    tags: self.tags.clone().unwrap_or(before.tags.clone()),
                    removing: false,
                    ..before.clone()
                };
                let recompiled = before.source != self.source || before.metadata.version != metadata.version;
                if recompiled {
                    after.source = self.source.clone();
                    after.bytecode = self.bytecode.clone();
                    after.metadata = metadata;
                    after.program_version += 1;
                }
                if after == before {
                    return Ok(Decision::new(before.to_loaded_program(false)));
                }
                after.modified = ctx.now;
                let change =
                    Change::Update { key: key.clone(), before: found.clone(), after: document::write(&after)? };
                let decision = Decision::new(after.to_loaded_program(true)).change(change);
                // An interrupted removal may have removed the version's row already.
                let is_missing = before.removing && view.get(&version_key(&after.id, after.program_version)).is_none();
                Ok(if recompiled || is_missing { decision.change(after.version_row(ctx.now)?) } else { decision })
            }
        }
    }
}

impl Program {
    pub(super) fn to_loaded_program(&self, changed: bool) -> LoadedProgram {
        LoadedProgram { id: self.id.clone(), name: self.name.clone(), program_version: self.program_version, changed }
    }

    pub(super) fn version_row(&self, now: Timestamp) -> Result<Change, Rejection> {
        let key = version_key(&self.id, self.program_version);
        let version = ProgramVersion {
            id: key.id.to_string(),
            program_id: self.id.clone(),
            program_version: self.program_version,
            source: self.source.clone(),
            bytecode: self.bytecode.clone(),
            metadata: self.metadata.clone(),
            created: now,
        };
        Ok(Change::Append { key, document: document::write(&version)? })
    }
}

/// The query for the program of that name.
pub(super) fn by_name(name: &str) -> Query {
    Query::of(&PROGRAMS).eq("name", name).limit(1)
}

/// The row of one version of a program.
pub(super) fn version_key(program_id: &str, version: u32) -> Key {
    Key::new(&PROGRAM_VERSIONS, &row_id(&["version", program_id, &version.to_string()]))
}

/// A decoded version. It is cached beside its row, so that it is decoded once.
#[derive(Clone)]
pub(super) struct DecodedProgram {
    pub program: Arc<vm::VerifiedProgram>,
    /// SHA-256 of the canonical bytecode.
    pub hash: Arc<str>,
}

impl DecodedProgram {
    /// Returns the version under `key`: the cached form if there is one, or else the decoded row.
    pub fn load(view: &View, key: &Key) -> Result<Self, Rejection> {
        if let Some(cached) = view.cached::<DecodedProgram>(key) {
            return Ok(cached.clone());
        }
        let row = view.get(key).ok_or_else(|| Rejection::Torn(format!("{key} is missing")))?;
        let version: ProgramVersion = document::read(key, row)?;
        let program =
            vm::VerifiedProgram::decode(&version.bytecode).map_err(|e| document::damaged(key, &e.to_string()))?;
        let bytecode = row.document.get("bytecode").unwrap_or(&Json::Null);
        let hash = hex(&sha256(&[canonical_json(bytecode).as_bytes()]));
        Ok(Self { program: Arc::new(program), hash: hash.into() })
    }

    /// The value for the engine's cache.
    pub fn into_cached(self) -> CachedValue {
        let bytes = 64 * self.program.code.len() as u64;
        CachedValue::new(self, bytes)
    }
}

/// Largest number of versions that one commit removes.
const VERSIONS_PER_COMMIT: u32 = 1_000;

/// Removes a program with all its versions.
///
/// Errors: `not_found`, `in_use` (it has executions: delete them first).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.removeProgram", cli = "program rm")]
pub struct RemoveProgram {
    /// Its name.
    #[operation(subject)]
    pub name: String,
    /// Whether it continues a removal. A program that another process has removed is then not an error.
    #[serde(skip)]
    #[operation(skip)]
    pub continues: bool,
}

/// The progress of a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalProgress {
    /// The program's name.
    pub name: String,
    /// Whether nothing is left to do.
    pub done: bool,
    /// An execution that was started meanwhile, so that the program stays.
    pub used_by: Option<String>,
}

/// The error for a program that still has executions.
pub fn in_use_error(name: &str, execution: &str) -> (ErrorCode, String) {
    let message =
        format!("program `{name}` was not removed: it has executions, for example `{execution}`; delete them first");
    (ErrorCode::IN_USE, message)
}

impl Command for RemoveProgram {
    const NAME: &'static str = "cvm.remove_program";
    type Output = RemovalProgress;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::empty().query("program", by_name(&self.name));
        let Some([(key, found), ..]) = view.rows("program") else { return reads };
        let of_program = |query: Query| query.eq("programId", &*key.id);
        let reads = reads.query("executions", of_program(Query::of(&EXECUTIONS)).limit(1));
        match found.document.get("removing") {
            Some(Json::Bool(true)) => {
                reads.query("versions", of_program(Query::of(&PROGRAM_VERSIONS)).limit(VERSIONS_PER_COMMIT))
            }
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RemovalProgress>, Rejection> {
        let Some([(key, found), ..]) = view.rows("program") else {
            if self.continues {
                return Ok(Decision::new(RemovalProgress { name: self.name.clone(), done: true, used_by: None }));
            }
            let hint = "; `programs` lists the loaded programs".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.name.clone(), hint });
        };
        let mut program: Program = document::read(key, found)?;
        let used_by = match view.rows("executions") {
            Some([(execution, _), ..]) => Some(execution.id.to_string()),
            _ => None,
        };
        let removed = |done, used_by| RemovalProgress { name: self.name.clone(), done, used_by };
        match (program.removing, used_by) {
            (false, Some(execution)) => {
                let (code, message) = in_use_error(&self.name, &execution);
                Err(Rejection::domain(code, message))
            }
            (marked, used_by) if !marked || used_by.is_some() => {
                program.removing = !marked;
                let after = document::write(&program)?;
                let change = Change::Update { key: key.clone(), before: found.clone(), after };
                Ok(Decision::new(removed(marked, used_by)).change(change))
            }
            _ => Ok(remove(key, found, view, ctx, removed(true, None))),
        }
    }

    fn next(&self, output: &RemovalProgress) -> Option<Box<dyn AnyCommand>> {
        // An execution was started meanwhile, and the program is usable again: the next part reports that as any removal does.
        let is_unfinished = !output.done || output.used_by.is_some();
        is_unfinished.then(|| TypedCommand::boxed(Self { name: self.name.clone(), continues: true }))
    }
}

/// Removes as many versions as one commit can. The program's row is removed with the last of them.
fn remove(
    key: &Key,
    found: &LoadedDocument,
    view: &View,
    ctx: &Ctx,
    mut removed: RemovalProgress,
) -> Decision<RemovalProgress> {
    let versions = view.rows("versions").unwrap_or_default();
    let limit = ctx.max_writes.saturating_sub(1).max(1);
    let deletions = versions.iter().take(limit).map(|(key, _)| Change::Delete { key: key.clone(), revision: None });
    let mut changes: Vec<Change> = deletions.collect();
    removed.done = versions.len() < VERSIONS_PER_COMMIT as usize && changes.len() == versions.len();
    let mut decision = Decision::new(removed);
    if decision.output.done {
        changes.push(Change::Delete { key: key.clone(), revision: Some(found.revision.clone()) });
    } else {
        decision = decision.check(key.clone(), found);
    }
    decision.changes = changes;
    decision
}
