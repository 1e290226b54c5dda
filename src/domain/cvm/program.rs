//! Programs and their versions. A program's newest version is repeated in it, as the schema it carries on has it; executions read
//! only version rows, which never change.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::{document, row_id};
use crate::code::Code;
use crate::decision::{CachedValue, Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id::{self, hex, sha256};
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Index, Key, Query, Reference};
use crate::time::Timestamp;
use crate::value::{Json, canonical};
use crate::vm::{self, BYTECODE_VERSION, WireInstruction};

/// A program under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Its id.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Source of the newest version.
    pub source: String,
    /// Bytecode of the newest version.
    pub bytecode: Vec<WireInstruction>,
    /// How the newest version was compiled.
    pub metadata: Metadata,
    /// When it was first loaded.
    pub created: Timestamp,
    /// When its newest version was loaded.
    pub modified: Timestamp,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its newest version, from 1.
    pub program_version: u32,
    /// It is being removed: nothing can be started, until it is loaded again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removing: bool,
}

/// How a version was compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Version of the bytecode.
    pub version: u32,
    /// When.
    pub compiled: Timestamp,
    /// By what: `runstate:0.1.0`.
    pub compiler: String,
}

/// One version of a program. Never changed: an execution keeps the version it started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramVersion {
    /// Derived from program and version.
    pub id: String,
    /// The program.
    pub program_id: String,
    /// From 1.
    pub program_version: u32,
    /// Its source.
    pub source: String,
    /// Its bytecode.
    pub bytecode: Vec<WireInstruction>,
    /// How it was compiled.
    pub metadata: Metadata,
    /// When it was loaded.
    pub created: Timestamp,
}

/// `cvm.programs`.
pub const PROGRAMS: Collection = Collection::new("cvm.programs", 1)
    .much_checked()
    .fields(&[
        Field::id("id"),
        Field::text("name").max(id_bytes()),
        Field::text("description").optional(),
        Field::text("source"),
        Field::list("bytecode"),
        Field::object("metadata"),
        Field::int("metadata.version"),
        Field::timestamp("metadata.compiled"),
        Field::text("metadata.compiler"),
        Field::timestamp("created"),
        Field::timestamp("modified"),
        Field::list("tags").optional(),
        Field::int("programVersion"),
        Field::bool("removing").optional(),
    ])
    .indexes(&[
        Index::by(&[("name", Ascending)]).unique(),
        Index::each(&[("tags", Ascending)]),
        Index::by(&[("created", Descending)]),
    ]);

/// `cvm.program_versions`.
pub const PROGRAM_VERSIONS: Collection = Collection::new("cvm.program_versions", 1)
    .fields(&[
        Field::id("id"),
        Field::id("programId"),
        Field::int("programVersion"),
        Field::text("source"),
        Field::list("bytecode"),
        Field::object("metadata"),
        Field::timestamp("metadata.compiled").optional(),
        Field::timestamp("created"),
    ])
    .indexes(&[Index::by(&[("programId", Ascending), ("programVersion", Ascending)]).unique()])
    .references(&[Reference { field: "programId", collection: "cvm.programs" }])
    .insert_only();

const fn id_bytes() -> usize {
    crate::limits::ID_BYTES
}

/// Loads a program under a name. The same source again changes nothing; a changed one is the next version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The name.
    pub name: String,
    /// The source, for people and for compiling again.
    pub source: String,
    /// What it was compiled to; verified here.
    pub bytecode: Vec<WireInstruction>,
    /// By what it was compiled.
    pub compiler: String,
    /// What it is for; `None` leaves what is there.
    pub description: Option<String>,
    /// Words to find it by; `None` leaves what is there.
    pub tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; `None`: one is made. `already_exists`: another program has the id, or the name is
    /// of a program with another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Load {
    /// The program `source`, compiled by this library to `bytecode`, under `name`.
    pub fn new(name: &str, source: &str, bytecode: Vec<WireInstruction>) -> Self {
        let compiler = concat!("runstate:", env!("CARGO_PKG_VERSION")).to_owned();
        let (name, source) = (name.to_owned(), source.to_owned());
        Self { name, source, bytecode, compiler, description: None, tags: None, id: None }
    }

    /// The id that a new program gets, where it was named.
    fn own_id(&self) -> Result<Option<&str>, Rejection> {
        let Some(id) = &self.id else { return Ok(None) };
        id::check(id).map_err(|e| Rejection::Invalid { field: "id".to_owned(), reason: e.to_string() })?;
        Ok(Some(id))
    }
}

/// What loading came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
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
        let reads = ReadSet::none().query("program", by_name(&self.name));
        match view.rows("program") {
            Some([(key, found), ..]) => match document::read::<Program>(key, found) {
                Ok(program) if program.removing => reads.and(version_key(&program.id, program.program_version)),
                // One that cannot be read is told when it is decided on.
                _ => reads,
            },
            Some([]) => match &self.id {
                Some(id) => reads.and(Key::new(&PROGRAMS, id)),
                None => reads,
            },
            None => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<LoadedProgram>, Rejection> {
        let own_id = self.own_id()?;
        id::check(&self.name).map_err(|e| Rejection::Invalid { field: "name".to_owned(), reason: e.to_string() })?;
        vm::Program::decode(&self.bytecode).map_err(|e| Rejection::domain(Code::InvalidBytecode, e.to_string()))?;
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
                Ok(Decision::of(program.loaded(true)).change(insert).change(program.version_row(ctx.now)?))
            }
            [(key, found), ..] => {
                let before: Program = document::read(key, found)?;
                if own_id.is_some_and(|id| id != before.id) {
                    let message = format!(
                        "program `{}` exists already under the id `{}`; nothing was changed. Choose another name, or leave the id out",
                        self.name, before.id
                    );
                    return Err(Rejection::domain(Code::AlreadyExists, message));
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
                    return Ok(Decision::of(before.loaded(false)));
                }
                after.modified = ctx.now;
                let change =
                    Change::Update { key: key.clone(), before: found.clone(), after: document::write(&after)? };
                let decision = Decision::of(after.loaded(true)).change(change);
                // Whoever began to remove it may have removed the version's row already.
                let gone = before.removing && view.get(&version_key(&after.id, after.program_version)).is_none();
                Ok(if recompiled || gone { decision.change(after.version_row(ctx.now)?) } else { decision })
            }
        }
    }
}

impl Program {
    pub(super) fn loaded(&self, changed: bool) -> LoadedProgram {
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

/// The question for the program of that name.
pub(super) fn by_name(name: &str) -> Query {
    Query::of(&PROGRAMS).eq("name", name).limit(1)
}

/// The row of one version of a program.
pub(super) fn version_key(program_id: &str, version: u32) -> Key {
    Key::new(&PROGRAM_VERSIONS, &row_id(&["version", program_id, &version.to_string()]))
}

/// A version decoded for running: kept as the live form of its row, so that it is decoded once.
#[derive(Clone)]
pub(super) struct Decoded {
    pub program: Arc<vm::Program>,
    /// SHA-256 of the canonical bytecode.
    pub hash: Arc<str>,
}

impl Decoded {
    /// The version under `key`: its live form where one is held, else decoded.
    pub fn of(view: &View, key: &Key) -> Result<Self, Rejection> {
        if let Some(warm) = view.warm::<Decoded>(key) {
            return Ok(warm.clone());
        }
        let row = view.get(key).ok_or_else(|| Rejection::Torn(format!("{key} is missing")))?;
        let version: ProgramVersion = document::read(key, row)?;
        let program = vm::Program::decode(&version.bytecode).map_err(|e| document::damaged(key, &e.to_string()))?;
        let bytecode = row.document.get("bytecode").unwrap_or(&Json::Null);
        let hash = hex(&sha256(&[canonical(bytecode).as_bytes()]));
        Ok(Self { program: Arc::new(program), hash: hash.into() })
    }

    /// As the engine keeps it beside its row.
    pub fn cached(self) -> CachedValue {
        let bytes = 64 * self.program.code.len() as u64;
        CachedValue::new(self, bytes)
    }
}
