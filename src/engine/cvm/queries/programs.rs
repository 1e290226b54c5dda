//! Which programs there are, and their versions.

use serde::Serialize;

use super::super::Cvm;
use super::fields::Fields;
use super::{Paged, Paging};
use crate::decision::Rejection;
use crate::domain::cvm::{EXECUTIONS, PROGRAM_VERSIONS, PROGRAMS};
use crate::engine::Error;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Filter, Key, Query};
use crate::store::Row;
use crate::time::Timestamp;
use crate::value::Json;

/// A program as it stands in a list. What it has not, or cannot be read, is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ProgramSummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its newest version, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_version: Option<u32>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was first loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When its newest version was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Version of the newest version's bytecode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytecode_version: Option<u32>,
    /// By what it was compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// It is being removed: nothing can be started of it, and it is gone when the removal is repeated, unless an execution runs it.
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removing: bool,
}

/// All of a program, as of its newest version.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProgramView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: ProgramSummary,
    /// Its source.
    pub source: String,
    /// Its bytecode, as it stands in the store.
    pub bytecode: Json,
}

/// A version of a program as it stands in a list. What cannot be read is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct VersionSummary {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_id: String,
    /// From 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_version: Option<u32>,
    /// When it was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Version of its bytecode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytecode_version: Option<u32>,
    /// By what it was compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
}

/// All of a version of a program.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct VersionView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: VersionSummary,
    /// Its source.
    pub source: String,
    /// Its bytecode, as it stands in the store.
    pub bytecode: Json,
}

impl Cvm {
    /// Programs by name, page by page, without their sources and bytecode.
    pub async fn programs(&self, page: &Paging) -> Result<Paged<ProgramSummary>, Error> {
        let found = self.engine.store().query(&programs(page)).await?;
        Ok(Paged { rows: found.rows.iter().map(ProgramSummary::of).collect(), next: found.cursor })
    }

    /// Programs that have this tag, as [`Cvm::programs`].
    pub async fn programs_tagged(&self, tag: &str, page: &Paging) -> Result<Paged<ProgramSummary>, Error> {
        let query = programs(page).filter(Filter::Contains("tags".to_owned(), tag.into()));
        let found = self.engine.store().query(&query).await?;
        Ok(Paged { rows: found.rows.iter().map(ProgramSummary::of).collect(), next: found.cursor })
    }

    /// All of the program of that name. `not_found` where there is none, as of the two below.
    pub async fn program(&self, name: &str) -> Result<ProgramView, Error> {
        let row = self.program_row(name, &[]).await?;
        let (source, bytecode) = contents(&row);
        Ok(ProgramView { summary: ProgramSummary::of(&row), source, bytecode })
    }

    /// As [`Cvm::program`], by its id.
    pub async fn program_by_id(&self, id: &str) -> Result<ProgramView, Error> {
        let found = self.engine.store().get(&[Key::new(&PROGRAMS, id)]).await?.into_iter().next().flatten();
        let none = || Rejection::NotFound { what: "program with the id", id: id.to_owned(), hint: String::new() };
        let row = Row { id: id.into(), stored: found.ok_or_else(none)? };
        let (source, bytecode) = contents(&row);
        Ok(ProgramView { summary: ProgramSummary::of(&row), source, bytecode })
    }

    /// The versions of a program, newest first, page by page, without their sources and bytecode.
    pub async fn versions(&self, name: &str, page: &Paging) -> Result<Paged<VersionSummary>, Error> {
        let program = self.program_row(name, &["name"]).await?;
        let found = self.engine.store().query(&versions(&program.id, page)).await?;
        Ok(Paged { rows: found.rows.iter().map(VersionSummary::of).collect(), next: found.cursor })
    }

    /// All of one version of a program.
    pub async fn version(&self, name: &str, version: u32) -> Result<VersionView, Error> {
        let program = self.program_row(name, &["name", "programVersion"]).await?;
        let found = self.version_row(&program.id, version).await?;
        let row = found.ok_or_else(|| {
            let newest = Fields(&program.stored.document).small("programVersion");
            let hint = newest.map(|newest| format!("; its newest version is {newest}")).unwrap_or_default();
            Rejection::NotFound { what: "version", id: format!("{version} of program {name}"), hint }
        })?;
        Ok(VersionView::of(&row))
    }

    /// The version that an execution runs: also of one that was imported, whose program's name may be another's here.
    pub async fn version_of(&self, execution: &str) -> Result<VersionView, Error> {
        let missing = |what| Rejection::NotFound { what, id: execution.to_owned(), hint: String::new() };
        let found = self.engine.store().get(&[Key::new(&EXECUTIONS, execution)]).await?;
        let head = found.into_iter().next().flatten().ok_or_else(|| missing("execution"))?;
        let fields = Fields(&head.document);
        let (program, version) = (fields.text("programId"), fields.small("programVersion"));
        let row = match program.zip(version) {
            Some((program, version)) => self.version_row(&program, version).await?,
            None => None,
        };
        Ok(VersionView::of(&row.ok_or_else(|| missing("program of execution"))?))
    }

    async fn version_row(&self, program: &str, version: u32) -> Result<Option<Row>, Error> {
        let query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).eq("programVersion", version).limit(1);
        Ok(self.engine.store().query(&query).await?.rows.into_iter().next())
    }

    async fn program_row(&self, name: &str, fields: &[&str]) -> Result<Row, Error> {
        let mut query = Query::of(&PROGRAMS).eq("name", name).limit(1);
        query.projection = fields.iter().map(|field| (*field).to_owned()).collect();
        let found = self.engine.store().query(&query).await?.rows.into_iter().next();
        Ok(found.ok_or_else(|| Rejection::NotFound { what: "program", id: name.to_owned(), hint: String::new() })?)
    }
}

pub(super) fn programs(page: &Paging) -> Query {
    let shown = ["name", "programVersion", "description", "tags", "created", "modified", "metadata", "removing"];
    let mut query = page.of(Query::of(&PROGRAMS).sort("name", Ascending));
    query.projection = shown.map(str::to_owned).into();
    query
}

pub(super) fn versions(program: &str, page: &Paging) -> Query {
    let shown = ["programId", "programVersion", "created", "metadata"];
    let query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).sort("programVersion", Descending);
    let mut query = page.of(query);
    query.projection = shown.map(str::to_owned).into();
    query
}

/// Source and bytecode.
fn contents(row: &Row) -> (String, Json) {
    let fields = Fields(&row.stored.document);
    (fields.text("source").unwrap_or_default(), fields.json("bytecode").unwrap_or_default())
}

impl ProgramSummary {
    fn of(row: &Row) -> Self {
        let fields = Fields(&row.stored.document);
        Self {
            id: row.id.to_string(),
            name: fields.text("name").unwrap_or_default(),
            program_version: fields.small("programVersion"),
            description: fields.text("description"),
            tags: fields.texts("tags"),
            created: fields.time("created"),
            modified: fields.time("modified"),
            bytecode_version: fields.small("metadata.version"),
            compiler: fields.text("metadata.compiler"),
            removing: fields.json("removing") == Some(Json::Bool(true)),
        }
    }
}

impl VersionView {
    fn of(row: &Row) -> Self {
        let (source, bytecode) = contents(row);
        Self { summary: VersionSummary::of(row), source, bytecode }
    }
}

impl VersionSummary {
    fn of(row: &Row) -> Self {
        let fields = Fields(&row.stored.document);
        Self {
            id: row.id.to_string(),
            program_id: fields.text("programId").unwrap_or_default(),
            program_version: fields.small("programVersion"),
            created: fields.time("created"),
            bytecode_version: fields.small("metadata.version"),
            compiler: fields.text("metadata.compiler"),
        }
    }
}
