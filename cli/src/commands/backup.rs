//! `backup`: writes a store and every change of it to a folder or a bucket. `restore`: the store as it was at a time.

use std::sync::Arc;

use runstate::engine::Error;
use runstate::objects::ObjectFolder;
use runstate::time::Millis;
use runstate::transfer::ImportOptions;
use runstate::transfer::backup::{Backup, BackupOptions, BackupReport, BackupSource, points};
use serde_json::json;

use super::encrypted_backup::{backup_decryption, backup_encryption};
use super::transfer::{import_from, print_import};
use crate::args::{BackupArgs, GlobalArgs, RestoreArgs};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt::{self, InterruptNote};
use crate::printer::Printer;
use crate::progress::Bar;
use crate::session::{Session, catalog};

/// The time for which `--follow` waits for a change before it looks again.
const WAIT: Millis = Millis::seconds(5);

const LISTED: usize = 100;

const INTERRUPTED_NOTE: &str = "what was written is kept; repeat the command to continue";

pub async fn back_up_store(session: &Session, args: &BackupArgs) -> Result<CliExit, CliError> {
    let (bar, out) = (Bar::new(session.out), session.out);
    let encryption = backup_encryption(&args.encryption)?;
    let folder = Arc::new(ObjectFolder::open(&args.to)?);
    let source = session.store_id.clone().unwrap_or_default();
    let keep = args.keep.map(|keep| Millis(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)));
    let options = BackupOptions { keep, encryption, ..BackupOptions::new(source) };
    let backup = Backup::new(&session.engine, folder, options)?;
    let mut wait = Millis(0);
    loop {
        let writing = backup.catch_up(wait, |progress| bar.show(progress));
        let written = interrupt::run_interruptible(INTERRUPTED_NOTE, writing).await;
        bar.clear();
        match written {
            Ok(report) if report.segments > 0 || wait.0 == 0 => print_report(report, out)?,
            Ok(_) => {}
            // A store or a folder that cannot be reached for a while does not end the backup.
            Err(CliError::Error(error)) if args.follow && error.retryable && wait.0 > 0 => {
                out.remark(&format!("the backup is behind: {error}"));
            }
            Err(failure) => return Err(failure),
        }
        if !args.follow {
            return Ok(CliExit::Done);
        }
        wait = WAIT;
        let pause = async {
            tokio::time::sleep(args.every).await;
            Ok::<_, Error>(())
        };
        interrupt::run_interruptible(INTERRUPTED_NOTE, pause).await?;
    }
}

fn print_report(report: BackupReport, out: Printer) -> Result<(), CliError> {
    let BackupReport { segments, documents } = report;
    match out.is_json() {
        true => out.value(&json!({"segments": segments, "documents": documents})),
        false if segments == 0 => out.line("nothing has changed since the last backup"),
        false => out.line(&format!("backed up: {documents} documents and deletions")),
    }
}

/// Restores a store, or lists the times.
pub async fn restore_store(global: &GlobalArgs, args: &RestoreArgs, out: Printer) -> Result<CliExit, CliError> {
    let key = backup_decryption(&args.decryption)?;
    let (folder, key) = (ObjectFolder::open_existing(&args.from)?, key.as_deref());
    if args.list {
        let points = interrupt::run_interruptible("nothing was changed", points(&folder, LISTED, key)).await?;
        for point in points {
            match out.is_json() {
                true => {
                    out.value(&json!({"at": point.at.to_rfc3339(), "segment": point.segment, "base": point.base}))?
                }
                false => out.line(&point.at.to_rfc3339())?,
            }
        }
        return Ok(CliExit::Done);
    }
    let (bar, catalog) = (Bar::new(out), catalog()?);
    let reading = BackupSource::open(&folder, args.at, key, &catalog, |progress| bar.show(progress));
    let source = interrupt::run_interruptible("nothing was changed", reading).await;
    bar.clear();
    let source = source?;
    out.remark(&format!("the store as it was at {}", source.point().at.to_rfc3339()));
    let note = InterruptNote::watch(out, "nothing was changed");
    let options = ImportOptions { exact: true, ..ImportOptions::default() };
    import_from(global, source, &catalog, options, &note, out, print_import).await
}
