//! Programs and their versions. A program repeats its newest version, as in the schema that it continues. Executions
//! read only version rows, which never change.
//!
//! A program without executions can be removed. Its row becomes a tombstone at once: no name finds it. Its versions are
//! collected after a grace period, once no execution uses them. So a start need not check the program: an execution
//! whose start was decided before the removal finds its version.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use runstate_core::decision::CachedValue;
use runstate_core::error_code::ErrorCode;
use runstate_core::id;
use runstate_core::id::{hex, sha256};
use runstate_core::prelude::*;
use runstate_value::{self as value, canonical_json};
use runstate_vm as vm;
use runstate_vm::{BYTECODE_VERSION, Instruction};
use schemars::JsonSchema;
use serde_json::json;

use super::compilation::compile;
use super::execution::EXECUTIONS;
use super::listing::ProgramSummary;
use super::row_id;
use crate::codes;

/// A program under its name.
#[derive(Entity, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(
    collection = "cvm.programs",
    version = 2,
    rename_all = "camelCase",
    noun = "program",
    filters(tag = "tags"),
    when = "missing(collect_at)",
    show(name = "cvm.programById"),
    list(name = "cvm.programs", cli = "programs", row = ProgramSummary, sort = "name")
)]
#[serde(rename_all = "camelCase")]
#[index(name, unique)]
#[index(each(tags))]
#[index(created desc)]
#[index("collectAt", when = "exists(collectAt)")]
pub struct Program {
    /// Its id.
    #[entity(id)]
    pub id: String,
    /// Unique name.
    #[entity(max = runstate_core::limits::ID_BYTES)]
    pub name: String,
    /// Its purpose.
    pub description: Option<String>,
    /// Source of the newest version; of several files, that of the entry.
    pub source: String,
    /// Path of the entry, if the newest version has several files.
    pub entry: Option<String>,
    /// The other files of the newest version.
    #[entity(omit_default)]
    pub files: Vec<ProgramFile>,
    /// Bytecode of the newest version.
    pub bytecode: Bytecode,
    /// How the newest version was compiled.
    pub metadata: Metadata,
    /// When it was first loaded.
    pub created: Timestamp,
    /// When its newest version was loaded.
    #[entity(updated)]
    pub modified: Timestamp,
    /// Tags to find it by.
    #[entity(omit_default)]
    pub tags: Vec<String>,
    /// Its newest version, from 1.
    pub program_version: u32,
    /// Whether it was removed. A tombstone has a random name and no source. Loading a program under its id makes it the
    /// next version.
    #[entity(omit_default)]
    #[serde(skip)]
    pub removing: bool,
    /// When its versions are collected, if no execution uses them; only after its removal.
    #[serde(skip)]
    pub collect_at: Option<Timestamp>,
}

/// A file that a program imports, directly or through other files.
#[derive(Fields, Wire, Clone, Debug, PartialEq, Eq, Parameters)]
pub struct ProgramFile {
    /// Its path, relative to the root of the program, with `/` and without `..`.
    pub path: String,
    /// Its source.
    pub source: String,
}

/// What a source is compiled with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceOptions {
    /// Path of the source; by default `main.ts` if there are files.
    pub entry: Option<String>,
    /// The files that the source may import. The others are ignored.
    pub files: Vec<ProgramFile>,
    /// Whether the source is a script: the body of an async function, whose `return` gives the result.
    pub script: bool,
    /// The tools that the source may call by `tools`; by default all names are accepted.
    pub tools: Option<Vec<String>>,
}

/// How a version was compiled.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Version of the bytecode.
    pub version: u32,
    /// When it was compiled.
    pub compiled: Timestamp,
    /// The compiler: `runstate:0.1.0`.
    pub compiler: String,
    /// What it warned of.
    #[entity(omit_default)]
    pub warnings: Vec<String>,
    /// Whether the source is a script: the body of an async function.
    #[entity(omit_default)]
    pub script: bool,
    /// The tools that the source uses, if it was compiled for a list of tools.
    pub tools: Option<Vec<String>>,
}

/// One version of a program. It never changes. An execution keeps the version that it started with, unless a
/// `retry` names another one.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
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
    /// Its source; of several files, that of the entry.
    pub source: String,
    /// Path of the entry, if it has several files.
    pub entry: Option<String>,
    /// The other files.
    #[entity(omit_default)]
    pub files: Vec<ProgramFile>,
    /// Its bytecode.
    pub bytecode: Bytecode,
    /// How it was compiled.
    #[entity(declared("compiled" = optional))]
    pub metadata: Metadata,
    /// When it was loaded.
    pub created: Timestamp,
}

/// `cvm.programs`. In version 1 a removal deleted the program at once, so every start checked the program.
pub const PROGRAMS: Collection = Program::COLLECTION;

/// `cvm.program_versions`.
pub const PROGRAM_VERSIONS: Collection = ProgramVersion::COLLECTION;

/// The instructions of a program, as documents hold them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Bytecode(#[schemars(with = "Vec<Json>")] pub Vec<Instruction>);

impl Deref for Bytecode {
    type Target = [Instruction];

    fn deref(&self) -> &[Instruction] {
        &self.0
    }
}

runstate_core::serialized_field_type!(Bytecode: List);

/// Most bytes of the warnings of a program. The ledger keeps results of commands, which have at most 4 KiB.
pub(super) const WARNINGS_BYTES: usize = 2_000;

/// Path of the entry of a program of several files, if none is given.
pub const DEFAULT_ENTRY: &str = "main.ts";

/// Loads a program under a name. Loading the same source again changes nothing; a changed source, or a changed file,
/// becomes the next version.
#[derive(Clone, Debug, Serialize, Deserialize, OperationName)]
#[operation(name = LoadParameters::NAME)]
pub struct Load {
    /// The name.
    pub name: String,
    /// The source, for people and for recompilation; of several files, that of the entry.
    pub source: String,
    /// Path of the entry, if there are several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The other files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ProgramFile>,
    /// The compiled bytecode, which is verified here.
    pub bytecode: Vec<Instruction>,
    /// The compiler.
    pub compiler: String,
    /// What the compiler warned of, at most 2,000 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Whether the source is a script: the body of an async function.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub script: bool,
    /// The tools that the source uses, if it was compiled for a list of tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Its purpose; `None` keeps the current one.
    pub description: Option<String>,
    /// Tags to find it by; `None` keeps the current ones.
    pub tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; `None`: a new id. Error `already_exists`: another program has
    /// the id, or the name belongs to a program with another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Loads a program under a name. Loading the same source again changes nothing; a changed source, or a changed file,
/// becomes the next version.
///
/// Errors: `compile_error` (`details.diagnostics` says where and why), `invalid` (the name, id or files),
/// `invalid_bytecode`, `already_exists` (another program has the id, or the name belongs to a program with another id).
#[derive(Debug, Operation)]
#[operation(name = "cvm.load", cli = "load", command = Load)]
pub struct LoadParameters {
    /// The name.
    #[operation(subject)]
    name: String,
    /// The source, in TypeScript; of several files, that of the entry.
    source: String,
    /// Path of the entry, if there are several files; by default `main.ts`.
    entry: Option<String>,
    /// The files that the entry imports. If the source is compiled here, files that are not imported are not stored.
    files: Option<Vec<ProgramFile>>,
    /// The bytecode of the source; by default the source is compiled, if this build has the compiler.
    bytecode: Option<Vec<Json>>,
    /// The compiler and version that made `bytecode`.
    compiler: Option<String>,
    /// What that compiler warned of, at most 2,000 bytes.
    warnings: Option<Vec<String>>,
    /// Whether the source is a script: the body of an async function, whose `return` gives the result; by default it is
    /// a program.
    script: Option<bool>,
    /// The tools that the source may call by `tools`, as `pay.refund`; others are a `compile_error`. By default all
    /// names are accepted. With `bytecode`: those that it uses.
    tools: Option<Vec<String>>,
    /// Its purpose; by default the current one is kept.
    description: Option<String>,
    /// Tags to find it by; by default the current ones are kept. An empty tag is none, so a list of it clears them.
    tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; by default a new id.
    id: Option<String>,
}

impl TryFrom<LoadParameters> for Load {
    type Error = Rejection;

    fn try_from(parameters: LoadParameters) -> Result<Self> {
        let LoadParameters { name, source, entry, files, bytecode, script, tools, description, tags, id, .. } =
            parameters;
        let (files, script) = (files.unwrap_or_default(), script.unwrap_or_default());
        let load = match bytecode {
            None => compile(&name, &source, SourceOptions { entry, files, script, tools })?,
            Some(instructions) => {
                let invalid =
                    |error: value::DeserializeError| Rejection::domain(codes::INVALID_BYTECODE, error.to_string());
                let bytecode = value::from_value(&Json::Array(instructions)).map_err(invalid)?;
                let compiler = parameters.compiler.unwrap_or("unknown".to_owned());
                let warnings = parameters.warnings.unwrap_or_default();
                let load = Self::new(&name, &source, bytecode).with_files(entry.as_deref(), files);
                Self { compiler, warnings, script, tools, ..load }
            }
        };
        Ok(Self { description, tags, id, ..load })
    }
}

impl Load {
    /// The program `source`, compiled by this library to `bytecode`, under `name`.
    pub fn new(name: &str, source: &str, bytecode: Vec<Instruction>) -> Self {
        let compiler = concat!("runstate:", env!("CARGO_PKG_VERSION")).to_owned();
        let (name, source) = (name.to_owned(), source.to_owned());
        let (files, warnings) = (Vec::new(), Vec::new());
        let (script, tools, description, tags, id) = (false, None, None, None, None);
        Self { name, source, entry: None, files, bytecode, compiler, warnings, script, tools, description, tags, id }
    }

    /// The program with these files besides its entry, whose path is `main.ts` by default.
    #[must_use]
    pub fn with_files(self, entry: Option<&str>, files: Vec<ProgramFile>) -> Self {
        let entry = (!files.is_empty()).then(|| entry.unwrap_or(DEFAULT_ENTRY).to_owned());
        Self { entry, files, ..self }
    }

    /// SHA-256 of what makes a version: the source, its files, its form and its tools; in hexadecimal.
    pub fn source_hash(&self) -> String {
        let version = json!([self.source, self.entry, self.files, self.script, self.tools]);
        hex(&sha256(&[canonical_json(&version).as_bytes()]))
    }

    /// Checks that each path of a file occurs once.
    fn check_files(&self) -> Result<()> {
        let mut paths: HashSet<&str> = self.entry.iter().map(String::as_str).collect();
        for file in &self.files {
            let is_plain = !file.path.split('/').any(|part| matches!(part, "" | "." | ".."));
            if !is_plain || !paths.insert(&file.path) {
                let reason = format!("`{}` is not a relative path without `..`, or occurs twice", file.path);
                return Err(Rejection::invalid("files", reason));
            }
        }
        Ok(())
    }

    /// The requested tags, without empty ones.
    fn tags(&self) -> Option<Vec<String>> {
        let tags = self.tags.as_ref()?;
        Some(tags.iter().filter(|tag| !tag.is_empty()).cloned().collect())
    }

    /// Checks that the result of the command, which has the warnings, is small.
    fn check_warnings(&self) -> Result<()> {
        let bytes: usize = self.warnings.iter().map(String::len).sum();
        if bytes > WARNINGS_BYTES {
            let reason = format!("the warnings have {bytes} bytes; at most {WARNINGS_BYTES} are kept");
            return Err(Rejection::invalid("warnings", reason));
        }
        Ok(())
    }

    /// The id requested for a new program.
    fn own_id(&self) -> Result<Option<&str>> {
        let Some(id) = &self.id else { return Ok(None) };
        id::check(id).map_err(|e| Rejection::invalid("id", e.to_string()))?;
        Ok(Some(id))
    }
}

/// The result of loading.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct LoadedProgram {
    /// Id of the program.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its newest version.
    pub program_version: u32,
    /// Whether loading changed anything.
    pub changed: bool,
    /// What the compiler warned of: each with its file, line and column.
    #[entity(omit_default)]
    pub warnings: Vec<String>,
}

impl Command for Load {
    type Output = LoadedProgram;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::empty().query("program", by_name(&self.name));
        match (view.rows("program"), &self.id) {
            (Some([]), Some(id)) => reads.with_key(Key::new(&PROGRAMS, id)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<LoadedProgram>> {
        let own_id = self.own_id()?;
        id::check(&self.name).map_err(|e| Rejection::invalid("name", e.to_string()))?;
        self.check_files()?;
        self.check_warnings()?;
        vm::VerifiedProgram::decode(&self.bytecode)
            .map_err(|e| Rejection::domain(codes::INVALID_BYTECODE, e.to_string()))?;
        let metadata = Metadata {
            version: BYTECODE_VERSION,
            compiled: ctx.now,
            compiler: self.compiler.clone(),
            warnings: self.warnings.clone(),
            script: self.script,
            tools: self.tools.clone(),
        };
        let loaded = |program: &Program, changed| LoadedProgram {
            warnings: self.warnings.clone(),
            ..program.to_loaded_program(changed)
        };
        let found = match (view.loaded_entities::<Program>("program")?.pop(), own_id) {
            (None, Some(id)) => view.find_entity(id)?,
            (found, _) => found,
        };
        let Some(mut found) = found else {
            let program = Program {
                id: own_id.map_or_else(|| ctx.new_id(), str::to_owned),
                name: self.name.clone(),
                description: self.description.clone(),
                source: self.source.clone(),
                entry: self.entry.clone(),
                files: self.files.clone(),
                bytecode: Bytecode(self.bytecode.clone()),
                metadata,
                created: ctx.now,
                modified: ctx.now,
                tags: self.tags().unwrap_or_default(),
                program_version: 1,
                removing: false,
                collect_at: None,
            };
            let decision = Decision::new(loaded(&program, true)).and_insert(&program)?;
            return Ok(decision.change(program.version_row(ctx.now)?));
        };
        let before = found.entity.clone();
        if before.name != self.name && !before.removing {
            return Err(Rejection::AlreadyExists { what: "program", id: before.id });
        }
        if own_id.is_some_and(|id| id != before.id) {
            let message = format!(
                "program `{}` already exists under the id `{}`; nothing was changed. Choose another name, or leave the id out",
                self.name, before.id
            );
            return Err(Rejection::domain(ErrorCode::ALREADY_EXISTS, message));
        }
        let mut after = Program {
            name: self.name.clone(),
            description: self.description.clone().or(before.description.clone()),
            tags: self.tags().unwrap_or(before.tags.clone()),
            removing: false,
            collect_at: None,
            ..before.clone()
        };
        // The versions of a removed program are its own still: numbers are not used twice, since processes cache
        // versions by number.
        let is_same_source = before.source == self.source && before.entry == self.entry && before.files == self.files;
        let is_same_form = before.metadata.script == self.script && before.metadata.tools == self.tools;
        let is_same_version = is_same_source && is_same_form && before.metadata.version == metadata.version;
        let is_new_version = before.removing || !is_same_version;
        if is_new_version {
            after.source = self.source.clone();
            (after.entry, after.files) = (self.entry.clone(), self.files.clone());
            after.bytecode = Bytecode(self.bytecode.clone());
            after.metadata = metadata;
            after.program_version += 1;
        }
        if after == before {
            return Ok(Decision::new(loaded(&before, false)));
        }
        found.entity = after;
        let decision = Decision::new(loaded(&found.entity, true)).change(found.update(ctx.now)?);
        Ok(if is_new_version { decision.change(found.entity.version_row(ctx.now)?) } else { decision })
    }
}

impl Program {
    pub(super) fn to_loaded_program(&self, changed: bool) -> LoadedProgram {
        let (id, name, warnings) = (self.id.clone(), self.name.clone(), Vec::new());
        LoadedProgram { id, name, program_version: self.program_version, changed, warnings }
    }

    pub(super) fn version_row(&self, now: Timestamp) -> Result<Change> {
        Change::append(&ProgramVersion {
            id: version_key(&self.id, self.program_version).id.to_string(),
            program_id: self.id.clone(),
            program_version: self.program_version,
            source: self.source.clone(),
            entry: self.entry.clone(),
            files: self.files.clone(),
            bytecode: self.bytecode.clone(),
            metadata: self.metadata.clone(),
            created: now,
        })
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
    pub fn load(view: &View, key: &Key) -> Result<Self> {
        if let Some(cached) = view.cached::<DecodedProgram>(key) {
            return Ok(cached.clone());
        }
        let row = view.get(key).ok_or_else(|| Rejection::Torn(format!("{key} is missing")))?;
        let version = view.entity::<ProgramVersion>(&key.id)?.entity;
        let program = vm::VerifiedProgram::decode(&version.bytecode).map_err(|e| Rejection::damaged(key, &e))?;
        let bytecode = row.document.get("bytecode").unwrap_or(&Json::Null);
        let hash = hex(&sha256(&[canonical_json(bytecode).as_bytes()]));
        Ok(Self { program: Arc::new(program), hash: hash.into() })
    }

    /// The value for the engine's cache.
    pub fn into_cached(self) -> CachedValue {
        // 64 bytes of an instruction, and 24 of its form that machines run.
        let bytes = (64 + 24) * self.program.code.len() as u64;
        CachedValue::new(self, bytes)
    }
}

/// The time between the removal of a program and the collection of its versions. A start that was decided before the
/// removal is committed long before it ends, unless its process was suspended.
pub(super) const COLLECTION_GRACE: Millis = Millis::minutes(60);

/// Largest number of versions that one commit deletes.
const VERSIONS_PER_COMMIT: u32 = 1_000;

/// Removes a program with all its versions. Its name is free at once; the versions are deleted an hour later.
///
/// Errors: `not_found`, `in_use` (it has executions: delete them first).
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "cvm.removeProgram", cli = "program delete")]
pub struct RemoveProgram {
    /// Its name.
    #[operation(subject)]
    pub name: String,
}

/// A program that was removed.
#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct RemovedProgram {
    /// Its name.
    pub name: String,
}

/// The error for a program that still has executions.
pub fn in_use_error(name: &str, execution: &str) -> (ErrorCode, String) {
    let message =
        format!("program `{name}` was not removed: it has executions, for example `{execution}`; delete them first");
    (ErrorCode::IN_USE, message)
}

impl Command for RemoveProgram {
    type Output = RemovedProgram;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::empty().query("program", by_name(&self.name));
        match view.rows("program") {
            Some([(key, _), ..]) => reads.query("executions", of_program(&EXECUTIONS, key).limit(1)),
            _ => reads,
        }
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<RemovedProgram>> {
        let Some(mut found) = view.loaded_entities::<Program>("program")?.pop() else {
            return Err(Rejection::not_found::<Program>(&self.name));
        };
        if let Some([(execution, _), ..]) = view.rows("executions") {
            let (code, message) = in_use_error(&self.name, &execution.id);
            return Err(Rejection::domain(code, message));
        }
        found.entity = Program {
            name: ctx.new_id(),
            description: None,
            source: String::new(),
            entry: None,
            files: Vec::new(),
            bytecode: Bytecode::default(),
            tags: Vec::new(),
            removing: true,
            collect_at: Some(ctx.now + COLLECTION_GRACE),
            ..found.entity
        };
        Ok(Decision::new(RemovedProgram { name: self.name.clone() }).change(found.update(ctx.now)?))
    }
}

/// Collects the versions of a removed program, and then its tombstone. While executions use them, it is due again after
/// the grace period.
#[derive(Clone, Debug, Serialize, OperationName)]
#[operation(name = "cvm.collectProgram")]
pub(super) struct CollectProgram {
    /// The program.
    pub id: String,
}

/// The progress of a [`CollectProgram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CollectionProgress {
    /// Nothing: the program is not due, or executions use it.
    Kept,
    /// It deleted a part of the versions.
    Part,
    /// It deleted the remaining versions and the tombstone.
    Done,
}

impl CollectProgram {
    fn key(&self) -> Key {
        Key::new(&PROGRAMS, &self.id)
    }
}

impl Command for CollectProgram {
    type Output = CollectionProgress;

    fn reads(&self, view: &View) -> ReadSet {
        let key = self.key();
        let mut versions = of_program(&PROGRAM_VERSIONS, &key).limit(VERSIONS_PER_COMMIT);
        versions.projection = vec!["programId".to_owned()];
        let reads = ReadSet::empty().query("executions", of_program(&EXECUTIONS, &key).limit(1)).with_key(key);
        match view.rows("executions") {
            Some([]) => reads.query("versions", versions),
            _ => reads,
        }
    }

    fn frees_space(&self) -> bool {
        true
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CollectionProgress>> {
        let Some(mut found) = view.find_entity::<Program>(&self.id)? else {
            return Ok(Decision::new(CollectionProgress::Kept));
        };
        let program = &mut found.entity;
        if !program.removing || program.collect_at.is_none_or(|due| due > ctx.now) {
            return Ok(Decision::new(CollectionProgress::Kept));
        }
        if view.rows("executions").is_some_and(|executions| !executions.is_empty()) {
            program.collect_at = Some(ctx.now + COLLECTION_GRACE);
            return Ok(Decision::new(CollectionProgress::Kept).change(found.update(ctx.now)?));
        }
        let versions = view.rows("versions").unwrap_or_default();
        let limit = ctx.max_writes.saturating_sub(1).max(1);
        let deletions = versions.iter().take(limit).map(|(key, _)| Change::Delete { key: key.clone(), revision: None });
        let mut changes: Vec<Change> = deletions.collect();
        let mut decision = if versions.len() >= VERSIONS_PER_COMMIT as usize || changes.len() < versions.len() {
            Decision::new(CollectionProgress::Part).check_entity(&found)
        } else {
            changes.push(found.delete());
            Decision::new(CollectionProgress::Done)
        };
        decision.changes = changes;
        Ok(decision)
    }

    fn next(&self, progress: &CollectionProgress, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        (*progress == CollectionProgress::Part).then(|| TypedCommand::boxed(self.clone()))
    }
}

/// The query for the documents of a collection that belong to a program.
fn of_program(collection: &'static Collection, program: &Key) -> Query {
    Query::of(collection).eq("programId", &*program.id)
}
