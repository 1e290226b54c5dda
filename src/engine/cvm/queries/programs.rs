//! Lists of programs and of their versions.

use serde::Serialize;

use super::super::Cvm;
use super::FieldReader;
use super::{ListPage, PageRequest};
use crate::decision::Rejection;
use crate::domain::cvm::{EXECUTIONS, PROGRAM_VERSIONS, PROGRAMS};
use crate::engine::Error;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Filter, Key, Query};
use crate::store::Row;
use crate::time::Timestamp;
use crate::value::Json;

/// A program in a list. A field is missing if the program does not have it, or if it cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ProgramSummary {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its latest version, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_version: Option<u32>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was first loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When its latest version was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Bytecode version of its latest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytecode_version: Option<u32>,
    /// The compiler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// Whether it is being removed: it cannot be started. Repeat the removal to complete it, unless an execution of it exists.
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removing: bool,
}

/// A program with its latest version.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ProgramView {
    /// The fields that a list has.
    #[serde(flatten)]
    pub summary: ProgramSummary,
    /// Its source.
    pub source: String,
    /// Its bytecode, as stored.
    pub bytecode: Json,
}

/// A version of a program in a list. A field is missing if it cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct VersionSummary {
    /// Its id.
    pub id: String,
    /// The program.
    pub program_id: String,
    /// Its number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_version: Option<u32>,
    /// When it was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Bytecode version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytecode_version: Option<u32>,
    /// The compiler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
}

/// A version of a program.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct VersionView {
    /// The fields that a list has.
    #[serde(flatten)]
    pub summary: VersionSummary,
    /// Its source.
    pub source: String,
    /// Its bytecode, as stored.
    pub bytecode: Json,
}

impl Cvm {
    /// Programs by name, page by page, without sources and bytecode.
    pub async fn programs(&self, page: &PageRequest) -> Result<ListPage<ProgramSummary>, Error> {
        let found = self.engine.store().query(&programs(page)).await?;
        Ok(ListPage { rows: found.items.iter().map(ProgramSummary::of).collect(), next: found.next })
    }

    /// Programs with this tag, as [`Cvm::programs`].
    pub async fn programs_tagged(&self, tag: &str, page: &PageRequest) -> Result<ListPage<ProgramSummary>, Error> {
        let query = programs(page).filter(Filter::Contains("tags".to_owned(), tag.into()));
        let found = self.engine.store().query(&query).await?;
        Ok(ListPage { rows: found.items.iter().map(ProgramSummary::of).collect(), next: found.next })
    }

    /// The program with this name. `not_found` if it does not exist.
    pub async fn program(&self, name: &str) -> Result<ProgramView, Error> {
        let row = self.program_row(name, &[]).await?;
        let (source, bytecode) = contents(&row);
        Ok(ProgramView { summary: ProgramSummary::of(&row), source, bytecode })
    }

    /// The program with this id, as [`Cvm::program`].
    pub async fn program_by_id(&self, id: &str) -> Result<ProgramView, Error> {
        let found = self.engine.store().get(&[Key::new(&PROGRAMS, id)]).await?.into_iter().next().flatten();
        let missing = || Rejection::NotFound { what: "program with the id", id: id.to_owned(), hint: String::new() };
        let row = Row { id: id.into(), stored: found.ok_or_else(missing)? };
        let (source, bytecode) = contents(&row);
        Ok(ProgramView { summary: ProgramSummary::of(&row), source, bytecode })
    }

    /// The versions of a program, newest first, page by page, without sources and bytecode.
    pub async fn versions(&self, name: &str, page: &PageRequest) -> Result<ListPage<VersionSummary>, Error> {
        let program = self.program_row(name, &["name"]).await?;
        let found = self.engine.store().query(&versions(&program.id, page)).await?;
        Ok(ListPage { rows: found.items.iter().map(VersionSummary::of).collect(), next: found.next })
    }

    /// One version of a program.
    pub async fn version(&self, name: &str, version: u32) -> Result<VersionView, Error> {
        let program = self.program_row(name, &["name", "programVersion"]).await?;
        let found = self.version_row(&program.id, version).await?;
        let row = found.ok_or_else(|| {
            let newest = FieldReader(&program.stored.document).count_u32("programVersion");
            let hint = newest.map(|newest| format!("; its newest version is {newest}")).unwrap_or_default();
            Rejection::NotFound { what: "version", id: format!("{version} of program {name}"), hint }
        })?;
        Ok(VersionView::of(&row))
    }

    /// The version that an execution runs. Found by the program's id: in this store another program may have the name of an imported one.
    pub async fn version_of(&self, execution: &str) -> Result<VersionView, Error> {
        let missing = |what, hint: &str| Rejection::NotFound { what, id: execution.to_owned(), hint: hint.to_owned() };
        let found = self.engine.store().get(&[Key::new(&EXECUTIONS, execution)]).await?;
        let head =
            found.into_iter().next().flatten().ok_or_else(|| missing("execution", "; `list` shows all executions"))?;
        let fields = FieldReader(&head.document);
        let (program, version) = (fields.text("programId"), fields.count_u32("programVersion"));
        let row = match program.zip(version) {
            Some((program, version)) => self.version_row(&program, version).await?,
            None => None,
        };
        Ok(VersionView::of(&row.ok_or_else(|| missing("program of execution", ""))?))
    }

    async fn version_row(&self, program: &str, version: u32) -> Result<Option<Row>, Error> {
        let query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).eq("programVersion", version).limit(1);
        Ok(self.engine.store().query(&query).await?.items.into_iter().next())
    }

    async fn program_row(&self, name: &str, fields: &[&str]) -> Result<Row, Error> {
        let mut query = Query::of(&PROGRAMS).eq("name", name).limit(1);
        query.projection = fields.iter().map(|field| (*field).to_owned()).collect();
        let found = self.engine.store().query(&query).await?.items.into_iter().next();
        let hint = || "; `programs` lists the loaded programs".to_owned();
        Ok(found.ok_or_else(|| Rejection::NotFound { what: "program", id: name.to_owned(), hint: hint() })?)
    }
}

pub(super) fn programs(page: &PageRequest) -> Query {
    let fields = ["name", "programVersion", "description", "tags", "created", "modified", "metadata", "removing"];
    let mut query = page.apply(Query::of(&PROGRAMS).sort("name", Ascending));
    query.projection = fields.map(str::to_owned).into();
    query
}

pub(super) fn versions(program: &str, page: &PageRequest) -> Query {
    let fields = ["programId", "programVersion", "created", "metadata"];
    let query = Query::of(&PROGRAM_VERSIONS).eq("programId", program).sort("programVersion", Descending);
    let mut query = page.apply(query);
    query.projection = fields.map(str::to_owned).into();
    query
}

/// The source and the bytecode.
fn contents(row: &Row) -> (String, Json) {
    let fields = FieldReader(&row.stored.document);
    (fields.text("source").unwrap_or_default(), fields.json("bytecode").unwrap_or_default())
}

impl ProgramSummary {
    fn of(row: &Row) -> Self {
        let fields = FieldReader(&row.stored.document);
        Self {
            id: row.id.to_string(),
            name: fields.text("name").unwrap_or_default(),
            program_version: fields.count_u32("programVersion"),
            description: fields.text("description"),
            tags: fields.texts("tags"),
            created: fields.time("created"),
            modified: fields.time("modified"),
            bytecode_version: fields.count_u32("metadata.version"),
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
        let fields = FieldReader(&row.stored.document);
        Self {
            id: row.id.to_string(),
            program_id: fields.text("programId").unwrap_or_default(),
            program_version: fields.count_u32("programVersion"),
            created: fields.time("created"),
            bytecode_version: fields.count_u32("metadata.version"),
            compiler: fields.text("metadata.compiler"),
        }
    }
}
