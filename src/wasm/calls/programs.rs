//! Programs and their versions.

use serde::Deserialize;

use super::named;
use super::runs::ExecutionParams;
use crate::domain::cvm::{Load, LoadedProgram};
use crate::engine::{Engine, Error, Paged, Paging, ProgramSummary, ProgramView, VersionSummary, VersionView};
use crate::vm::WireInstruction;

/// A program to be loaded.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct LoadParams {
    /// Its name.
    pub name: String,
    /// Its source.
    pub source: String,
    /// What it was compiled to.
    pub bytecode: Vec<WireInstruction>,
    /// By what it was compiled.
    pub compiler: String,
    /// What it is for; missing: what is there stays.
    pub description: Option<String>,
    /// Words to find it by; missing: what is there stays.
    pub tags: Option<Vec<String>>,
    /// The id of a program that is new under its name; missing: one is made.
    pub id: Option<String>,
    /// The id of the command; the same id again is answered with the first result.
    pub command_id: Option<String>,
}

pub(super) async fn load(engine: &Engine, params: LoadParams) -> Result<LoadedProgram, Error> {
    let LoadParams { name, source, bytecode, compiler, description, tags, id, command_id } = params;
    let command = named(command_id.as_ref())?;
    engine.cvm().load(&Load { name, source, bytecode, compiler, description, tags, id }, command.as_ref()).await
}

/// A program to be removed.
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
    let id = named(params.command_id.as_ref())?;
    engine.cvm().remove_program(&params.name, id.as_ref()).await
}

/// Which programs to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct ProgramsParams {
    /// Only those with this tag.
    pub tag: Option<String>,
    /// At most so many; 100 where it is not said, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

pub(super) async fn list(engine: &Engine, params: ProgramsParams) -> Result<Paged<ProgramSummary>, Error> {
    let ProgramsParams { tag, limit, cursor } = params;
    let page = Paging { limit, cursor };
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

/// Which versions to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VersionsParams {
    /// The program.
    pub name: String,
    /// At most so many; 100 where it is not said, never more than 1,000.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

pub(super) async fn versions(engine: &Engine, params: VersionsParams) -> Result<Paged<VersionSummary>, Error> {
    let VersionsParams { name, limit, cursor } = params;
    engine.cvm().versions(&name, &Paging { limit, cursor }).await
}

/// One version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields = nullable))]
pub struct VersionParams {
    /// The program.
    pub name: String,
    /// From 1.
    pub version: u32,
}

pub(super) async fn version(engine: &Engine, params: VersionParams) -> Result<VersionView, Error> {
    engine.cvm().version(&params.name, params.version).await
}

pub(super) async fn version_of(engine: &Engine, params: ExecutionParams) -> Result<VersionView, Error> {
    engine.cvm().version_of(&params.id).await
}
