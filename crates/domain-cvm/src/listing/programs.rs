//! Lists of programs and of their versions.

use runstate_core::decision::{Ctx, DomainQuery, ReadSet, Rejection, View};
use runstate_core::operation::Operation;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::entity::read_field_or_default;
use runstate_core::schema::{Filter, Key, Page, Query, Wire};
use runstate_value::time::Timestamp;
use runstate_value::{Document, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::executions::find_document;
use super::{FieldReader, ROWS, first_row, page};
use crate::execution::EXECUTIONS;
use crate::program::{PROGRAM_VERSIONS, PROGRAMS, ProgramFile};

/// Lists programs page by page, by name, without sources and bytecode.
///
/// Errors: `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.programs", cli = "programs", query)]
pub struct ProgramListing {
    /// Only programs with this tag.
    pub tag: Option<String>,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Returns a program with its latest version.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.program", cli = "program show", query)]
pub struct ShowProgram {
    /// Its name.
    #[operation(subject)]
    pub name: String,
}

/// Returns the program with this id, with its latest version.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.programById", query)]
pub struct ShowProgramById {
    /// Its id.
    #[operation(subject)]
    pub id: String,
}

/// Lists the versions of a program page by page, newest first, without sources and bytecode.
///
/// Errors: `not_found` (the program), `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.versions", cli = "program history", query)]
pub struct VersionListing {
    /// The name of the program.
    #[operation(subject)]
    pub name: String,
    /// Maximum number of rows; by default 100, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; by default the first page.
    pub cursor: Option<String>,
}

/// Returns one version of a program.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.version", query)]
pub struct ShowVersion {
    /// The name of the program.
    #[operation(subject)]
    pub name: String,
    /// The number of the version, from 1.
    pub version: u32,
}

/// Returns the version of its program that an execution runs.
///
/// It is found by the id of the program: in this store another program may have the name of an imported one.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, PartialEq, Eq, Operation)]
#[operation(name = "cvm.versionOf", query)]
pub struct ShowVersionOf {
    /// The execution.
    #[operation(subject)]
    pub id: String,
}

/// A program in a list. A field is missing if the program does not have it, or if it cannot be read.
#[derive(Wire, Clone, Debug, Default, PartialEq)]
pub struct ProgramSummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its latest version, from 1.
    pub program_version: Option<u32>,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was first loaded.
    pub created: Option<Timestamp>,
    /// When its latest version was loaded.
    pub modified: Option<Timestamp>,
    /// Bytecode version of its latest version.
    pub bytecode_version: Option<u32>,
    /// The compiler.
    pub compiler: Option<String>,
}

/// A program with its latest version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramView {
    /// The fields that a list has.
    #[serde(flatten)]
    pub summary: ProgramSummary,
    /// Its source; of several files, that of the entry.
    pub source: String,
    /// Path of the entry, if it has several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The other files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ProgramFile>,
    /// Its bytecode, as stored.
    pub bytecode: Json,
}

/// A version of a program in a list. A field is missing if it cannot be read.
#[derive(Wire, Clone, Debug, Default, PartialEq)]
pub struct VersionSummary {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_id: String,
    /// Its number, from 1.
    pub program_version: Option<u32>,
    /// When it was loaded.
    pub created: Option<Timestamp>,
    /// Bytecode version.
    pub bytecode_version: Option<u32>,
    /// The compiler.
    pub compiler: Option<String>,
}

/// A version of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VersionView {
    /// The fields that a list has.
    #[serde(flatten)]
    pub summary: VersionSummary,
    /// Its source; of several files, that of the entry.
    pub source: String,
    /// Path of the entry, if it has several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The other files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ProgramFile>,
    /// Its bytecode, as stored.
    pub bytecode: Json,
}

impl DomainQuery for ProgramListing {
    const NAME: &'static str = "cvm.programs";
    type Output = Page<ProgramSummary>;

    fn reads(&self, _: &View) -> ReadSet {
        let fields = ["name", "programVersion", "description", "tags", "created", "modified", "metadata"];
        let mut query =
            Query::of(&PROGRAMS).filter(Filter::Exists(TOMBSTONE.to_owned(), false)).sort("name", Ascending);
        if let Some(tag) = &self.tag {
            query = query.filter(Filter::Contains("tags".to_owned(), tag.as_str().into()));
        }
        query.projection = fields.map(str::to_owned).into();
        ReadSet::empty().query(ROWS, query.page(self.limit, self.cursor.as_ref()))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<ProgramSummary>, Rejection> {
        Ok(page(view, ProgramSummary::from_document))
    }
}

impl DomainQuery for ShowProgram {
    const NAME: &'static str = "cvm.program";
    type Output = ProgramView;

    fn reads(&self, _: &View) -> ReadSet {
        read_program(&self.name, &[])
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ProgramView, Rejection> {
        let (id, document) = find_program(view, &self.name)?;
        Ok(ProgramView::from_document(id, document))
    }
}

impl DomainQuery for ShowProgramById {
    const NAME: &'static str = "cvm.programById";
    type Output = ProgramView;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&PROGRAMS, &self.id))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ProgramView, Rejection> {
        let missing = || Rejection::NotFound { what: "program with the id", id: self.id.clone(), hint: String::new() };
        let found = view.get(&Key::new(&PROGRAMS, &self.id));
        let found = found.filter(|found| !found.document.contains_key(TOMBSTONE)).ok_or_else(missing)?;
        Ok(ProgramView::from_document(&self.id, &found.document))
    }
}

impl DomainQuery for VersionListing {
    const NAME: &'static str = "cvm.versions";
    type Output = Page<VersionSummary>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = read_program(&self.name, &["name"]);
        match first_row(view, PROGRAM) {
            Some((program, _)) => reads.query(ROWS, self.query(program)),
            None => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<VersionSummary>, Rejection> {
        find_program(view, &self.name)?;
        Ok(page(view, VersionSummary::from_document))
    }
}

impl VersionListing {
    /// The versions of the program with this id.
    pub(super) fn query(&self, program: &str) -> Query {
        let fields = ["programId", "programVersion", "created", "metadata"];
        let mut query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).sort("programVersion", Descending);
        query.projection = fields.map(str::to_owned).into();
        query.page(self.limit, self.cursor.as_ref())
    }
}

impl DomainQuery for ShowVersion {
    const NAME: &'static str = "cvm.version";
    type Output = VersionView;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = read_program(&self.name, &["name", "programVersion"]);
        match first_row(view, PROGRAM) {
            Some((program, _)) => reads.query(ROWS, version_query(program, self.version)),
            None => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<VersionView, Rejection> {
        let (_, program) = find_program(view, &self.name)?;
        let (id, document) = first_row(view, ROWS).ok_or_else(|| {
            let newest = FieldReader(program).count_u32("programVersion");
            let hint = newest.map(|newest| format!("; its newest version is {newest}")).unwrap_or_default();
            Rejection::NotFound { what: "version", id: format!("{} of program {}", self.version, self.name), hint }
        })?;
        Ok(VersionView::from_document(id, document))
    }
}

impl DomainQuery for ShowVersionOf {
    const NAME: &'static str = "cvm.versionOf";
    type Output = VersionView;

    fn reads(&self, view: &View) -> ReadSet {
        let key = Key::new(&EXECUTIONS, &self.id);
        let version = view.get(&key).and_then(|head| {
            let fields = FieldReader(&head.document);
            fields.text("programId").zip(fields.count_u32("programVersion"))
        });
        match version {
            Some((program, version)) => ReadSet::key(key).query(ROWS, version_query(&program, version)),
            None => ReadSet::key(key),
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<VersionView, Rejection> {
        find_document(view, &self.id)?;
        let missing = || Rejection::NotFound { what: "program of execution", id: self.id.clone(), hint: String::new() };
        let (id, document) = first_row(view, ROWS).ok_or_else(missing)?;
        Ok(VersionView::from_document(id, document))
    }
}

/// The field that only a removed program has.
const TOMBSTONE: &str = "collectAt";

/// The name of the query for a program by its name.
const PROGRAM: &str = "program";

/// Reads these fields of a program by its name; none: all.
fn read_program(name: &str, fields: &[&str]) -> ReadSet {
    let mut query = Query::of(&PROGRAMS).eq("name", name).limit(1);
    query.projection = fields.iter().map(|field| (*field).to_owned()).collect();
    ReadSet::empty().query(PROGRAM, query)
}

fn find_program<'a>(view: &'a View, name: &str) -> Result<(&'a str, &'a Document), Rejection> {
    let missing = || Rejection::NotFound {
        what: "program",
        id: name.to_owned(),
        hint: "; `programs` lists the loaded programs".to_owned(),
    };
    first_row(view, PROGRAM).ok_or_else(missing)
}

fn version_query(program: &str, version: u32) -> Query {
    Query::of(&PROGRAM_VERSIONS).eq("programId", program).eq("programVersion", version).limit(1)
}

/// The source, the entry with the other files, and the bytecode.
fn contents(document: &Document) -> (String, Option<String>, Vec<ProgramFile>, Json) {
    let fields = FieldReader(document);
    (
        fields.text("source").unwrap_or_default(),
        fields.text("entry"),
        read_field_or_default(document, "files").unwrap_or_default(),
        fields.json("bytecode").unwrap_or_default(),
    )
}

impl ProgramSummary {
    fn from_document(id: &str, document: &Document) -> Self {
        let fields = FieldReader(document);
        Self {
            id: id.to_owned(),
            name: fields.text("name").unwrap_or_default(),
            program_version: fields.count_u32("programVersion"),
            description: fields.text("description"),
            tags: fields.texts("tags"),
            created: fields.time("created"),
            modified: fields.time("modified"),
            bytecode_version: fields.count_u32("metadata.version"),
            compiler: fields.text("metadata.compiler"),
        }
    }
}

impl ProgramView {
    fn from_document(id: &str, document: &Document) -> Self {
        let (source, entry, files, bytecode) = contents(document);
        Self { summary: ProgramSummary::from_document(id, document), source, entry, files, bytecode }
    }
}

impl VersionView {
    fn from_document(id: &str, document: &Document) -> Self {
        let (source, entry, files, bytecode) = contents(document);
        Self { summary: VersionSummary::from_document(id, document), source, entry, files, bytecode }
    }
}

impl VersionSummary {
    fn from_document(id: &str, document: &Document) -> Self {
        let fields = FieldReader(document);
        Self {
            id: id.to_owned(),
            program_id: fields.text("programId").unwrap_or_default(),
            program_version: fields.count_u32("programVersion"),
            created: fields.time("created"),
            bytecode_version: fields.count_u32("metadata.version"),
            compiler: fields.text("metadata.compiler"),
        }
    }
}
