//! Programs and their versions.

use serde::Deserialize;

use super::executions::ExecutionParams;
use super::parse_command_id;
use crate::domain::cvm::{Load, LoadedProgram};
use crate::engine::{Engine, Error, ListPage, PageRequest, ProgramSummary, ProgramView, VersionSummary, VersionView};
use crate::vm::Instruction;

/// Loads a program.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct LoadParams {
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// Its bytecode.
    pub bytecode: Vec<Instruction>,
    /// The compiler that produced the bytecode.
    pub compiler: String,
    /// The purpose of the program; missing: unchanged.
    pub description: Option<String>,
    /// Tags to find the program by; missing: unchanged.
    pub tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; missing: a generated id.
    pub id: Option<String>,
    /// The id of the command. Repeating it returns the first result.
    pub command_id: Option<String>,
}

pub(super) async fn load(engine: &Engine, params: LoadParams) -> Result<LoadedProgram, Error> {
    let LoadParams { name, source, bytecode, compiler, description, tags, id, command_id } = params;
    let command = parse_command_id(command_id.as_ref())?;
    engine.cvm().load(&Load { name, source, bytecode, compiler, description, tags, id }, command.as_ref()).await
}

/// Removes a program.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct RemoveProgramParams {
    /// Its name.
    pub name: String,
    /// The id of the command.
    pub command_id: Option<String>,
}

pub(super) async fn remove(engine: &Engine, params: RemoveProgramParams) -> Result<(), Error> {
    let id = parse_command_id(params.command_id.as_ref())?;
    engine.cvm().remove_program(&params.name, id.as_ref()).await
}

/// Lists programs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgramsParams {
    /// Only programs with this tag.
    pub tag: Option<String>,
    /// Maximum number of rows; missing: 100, and at most 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; missing: the first page.
    pub cursor: Option<String>,
}

pub(super) async fn list(engine: &Engine, params: ProgramsParams) -> Result<ListPage<ProgramSummary>, Error> {
    let ProgramsParams { tag, limit, cursor } = params;
    let page = PageRequest { limit, cursor };
    match tag {
        Some(tag) => engine.cvm().programs_tagged(&tag, &page).await,
        None => engine.cvm().programs(&page).await,
    }
}

/// One program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgramParams {
    /// Its name.
    pub name: String,
}

pub(super) async fn program(engine: &Engine, params: ProgramParams) -> Result<ProgramView, Error> {
    engine.cvm().program(&params.name).await
}

/// One program, by its id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgramByIdParams {
    /// Its id.
    pub id: String,
}

pub(super) async fn program_by_id(engine: &Engine, params: ProgramByIdParams) -> Result<ProgramView, Error> {
    engine.cvm().program_by_id(&params.id).await
}

/// Lists the versions of a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VersionsParams {
    /// The program.
    pub name: String,
    /// Maximum number of rows; missing: 100, and at most 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before; missing: the first page.
    pub cursor: Option<String>,
}

pub(super) async fn versions(engine: &Engine, params: VersionsParams) -> Result<ListPage<VersionSummary>, Error> {
    let VersionsParams { name, limit, cursor } = params;
    engine.cvm().versions(&name, &PageRequest { limit, cursor }).await
}

/// One version of a program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VersionParams {
    /// The program.
    pub name: String,
    /// The version number, from 1.
    pub version: u32,
}

pub(super) async fn version(engine: &Engine, params: VersionParams) -> Result<VersionView, Error> {
    engine.cvm().version(&params.name, params.version).await
}

pub(super) async fn version_of(engine: &Engine, params: ExecutionParams) -> Result<VersionView, Error> {
    engine.cvm().version_of(&params.id).await
}
