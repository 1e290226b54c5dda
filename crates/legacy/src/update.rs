//! Updates an execution that was imported before and has advanced in the older CVM since. It is imported into an empty
//! store in memory, and transferred from there: then it is updated with its rows, unless it has changed here too.

use std::io::Cursor;
use std::sync::Arc;

use runstate_core::error_code::ErrorCode;
use runstate_core::schema::{Key, Query};
use runstate_domain_cvm::{EXECUTIONS, PROGRAM_VERSIONS, PROGRAMS};
use runstate_engine::{Engine, Error};
use runstate_store::{Batch, Expectation, Freshness, Memory, StoredDocument, Write, WriteOp};
use runstate_transfer::{self as transfer, LineReader, LineWriter, Selection};
use runstate_value::Json;

use super::documents::LegacyExecution;
use super::importer::LegacyImporter;

impl LegacyImporter<'_> {
    /// Imports an execution, or updates it if it was imported before.
    pub(super) async fn import_or_update(&mut self, execution: LegacyExecution) -> Result<(), Error> {
        let key = Key::new(&EXECUTIONS, &execution.command.id);
        let is_recorded = transfer::is_imported_from(&self.engine, &key, "").await?.is_some();
        let found = self.engine.store().get(std::slice::from_ref(&key), Freshness::Linearizable).await?;
        if is_recorded && !found.iter().any(Option::is_some) {
            return Err(exists("it was deleted here since it was imported, and is not imported again"));
        }
        let left = self.report.left.len();
        match self.import_execution(execution.clone()).await {
            Ok(_) if is_recorded => Ok(()),
            Ok(data) => transfer::record_imported(&self.engine, &key, &data).await,
            Err(error) if is_recorded && error.code == ErrorCode::ALREADY_EXISTS => {
                self.report.left.truncate(left);
                self.update(&key, execution).await
            }
            Err(error) => Err(error),
        }
    }

    async fn update(&mut self, key: &Key, execution: LegacyExecution) -> Result<(), Error> {
        let engine = self.engine.clone();
        let scratch = engine.with_store(Arc::new(Memory::new()));
        scratch.store().migrate(&scratch.catalog()).await?;
        copy_program(&engine, &scratch, &execution.command.program_id).await?;
        self.engine = scratch.clone();
        let imported = self.import_execution(execution).await;
        self.engine = engine.clone();
        let data = imported?;
        if transfer::is_imported_from(&engine, key, &data).await? == Some(true) {
            return Ok(());
        }
        let (mut lines, name) = (Vec::new(), self.database.name());
        let selection = Selection::One(key.clone());
        transfer::export_selection(&scratch, &selection, &mut LineWriter::new(&mut lines, name), |_| {}).await?;
        let catalog = engine.catalog();
        let mut source = LineReader::new(Cursor::new(lines), name, (*catalog).clone());
        let checked = transfer::check(&mut source, &catalog, |_| {})?;
        match transfer::import(&engine, &mut source, &checked, |_| {}).await {
            Ok(_) => transfer::record_imported(&engine, key, &data).await,
            Err(error) if error.code == ErrorCode::ALREADY_EXISTS => {
                Err(exists("it has changed there and here since it was imported, and stays as it is here"))
            }
            Err(error) => Err(error),
        }
    }
}

fn exists(why: &str) -> Error {
    Error::new(ErrorCode::ALREADY_EXISTS, why)
}

/// Copies a program with the version that imported executions run.
async fn copy_program(from: &Engine, to: &Engine, id: &str) -> Result<(), Error> {
    let program = Key::new(&PROGRAMS, id);
    let found = from.store().get(std::slice::from_ref(&program), Freshness::Linearizable).await?;
    let mut copied: Vec<(Key, StoredDocument)> =
        found.into_iter().flatten().map(|found| (program.clone(), found)).collect();
    let query = Query::of(&PROGRAM_VERSIONS).eq("programId", id).eq("programVersion", 1).limit(1);
    let versions = from.store().query(&query, Freshness::Linearizable).await?.items;
    copied.extend(versions.into_iter().map(|row| (Key::new(&PROGRAM_VERSIONS, &row.id), row.stored)));
    let write = |(key, StoredDocument { version, document, .. })| Write {
        key,
        expect: Expectation::Absent,
        op: WriteOp::Put { version, document },
    };
    let writes = copied.into_iter().map(write).collect();
    let (command, fingerprint, at) = (to.new_command_id(), "copy".to_owned(), to.now());
    let batch = Batch { command, fingerprint, at, result: Json::Null, writes, checks: Vec::new(), frees_space: false };
    to.store().commit(batch).await?;
    Ok(())
}
