//! Programs by their names, and their versions.

use runstate_core::prelude::*;
use runstate_core::schema::Direction::Descending;
use runstate_core::schema::Page;
use schemars::JsonSchema;

use super::ROWS;
use crate::execution::ExecutionHead;
use crate::program::{Metadata, PROGRAM_VERSIONS, Program, ProgramVersion, by_name, version_key};

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

/// Lists the versions of a program page by page, newest first, without sources and bytecode.
///
/// Errors: `not_found` (the program), `invalid` (the cursor is not of this list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Operation)]
#[operation(name = "cvm.versions", cli = "program history", query)]
pub struct ListVersions {
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

/// A program in a list.
#[derive(Fields, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
pub struct ProgramSummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its latest version, from 1.
    pub program_version: u32,
    /// Its description.
    pub description: Option<String>,
    /// Its tags.
    #[entity(default)]
    pub tags: Vec<String>,
    /// When it was first loaded.
    pub created: Timestamp,
    /// When its latest version was loaded.
    pub modified: Timestamp,
    /// How its latest version was compiled.
    pub metadata: Metadata,
}

/// A version of a program in a list.
#[derive(Fields, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[entity(rename_all = "camelCase")]
#[serde(rename_all = "camelCase")]
pub struct VersionSummary {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_id: String,
    /// Its number, from 1.
    pub program_version: u32,
    /// When it was loaded.
    pub created: Timestamp,
    /// How it was compiled.
    pub metadata: Metadata,
}

impl DomainQuery for ShowProgram {
    type Output = Program;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::empty().query(PROGRAM, by_name(&self.name))
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Program> {
        find_program(view, &self.name)
    }
}

impl DomainQuery for ListVersions {
    type Output = Page<VersionSummary>;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = read_summary(&self.name);
        match view.rows(PROGRAM) {
            Some([(program, _), ..]) => reads.query(ROWS, self.query(&program.id)),
            _ => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<VersionSummary>> {
        find_program::<ProgramSummary>(view, &self.name)?;
        Ok(view.page(ROWS))
    }
}

impl ListVersions {
    /// The versions of the program with this id.
    pub(super) fn query(&self, program: &str) -> Query {
        let query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).sort("programVersion", Descending);
        query.project(VersionSummary::FIELDS).page(self.limit, self.cursor.as_ref())
    }
}

impl DomainQuery for ShowVersion {
    type Output = ProgramVersion;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = read_summary(&self.name);
        let version =
            |program| Query::of(&PROGRAM_VERSIONS).eq("programId", program).eq("programVersion", self.version);
        match view.rows(PROGRAM) {
            Some([(program, _), ..]) => reads.query(ROWS, version(&*program.id).limit(1)),
            _ => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ProgramVersion> {
        let program: ProgramSummary = find_program(view, &self.name)?;
        view.entities(ROWS)?.pop().ok_or_else(|| Rejection::NotFound {
            what: "version",
            id: format!("{} of program {}", self.version, self.name),
            hint: format!("; its newest version is {}", program.program_version),
        })
    }
}

impl DomainQuery for ShowVersionOf {
    type Output = ProgramVersion;

    fn reads(&self, view: &View) -> ReadSet {
        let reads = ReadSet::entity::<ExecutionHead>(&self.id);
        match view.peek_entity::<ExecutionHead>(&self.id) {
            Some(head) => reads.with_key(version_key(&head.program_id, head.program_version)),
            None => reads,
        }
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<ProgramVersion> {
        let execution = ExecutionHead::find(view, &self.id)?;
        let key = version_key(&execution.program_id, execution.program_version);
        Ok(view.entity(&key.id)?.entity)
    }
}

/// The name of the query for a program by its name.
const PROGRAM: &str = "program";

fn read_summary(name: &str) -> ReadSet {
    ReadSet::empty().query(PROGRAM, by_name(name).project(ProgramSummary::FIELDS))
}

fn find_program<F: Fields>(view: &View, name: &str) -> Result<F> {
    view.entities(PROGRAM)?.pop().ok_or_else(|| Rejection::not_found::<Program>(name))
}
