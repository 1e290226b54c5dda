//! Commands and options whose libraries this build does not have. Each fails and names the build that has them.

use runstate::engine::Error;
use runstate::error_code::ErrorCode;

use crate::error::CliError;

fn unsupported(what: &str, feature: &str) -> CliError {
    let message = format!(
        "this build of runstate has no {what}. Build one with `cargo install --path cli --features full` (the feature is `{feature}`)"
    );
    Error::new(ErrorCode::UNSUPPORTED, message).into()
}

#[cfg(not(feature = "object-store"))]
pub mod backup {
    use super::unsupported;
    use crate::args::{BackupArgs, GlobalArgs, RestoreArgs};
    use crate::error::CliError;
    use crate::exit::CliExit;
    use crate::printer::Printer;
    use crate::session::Session;

    pub async fn back_up_store(_: &Session, _: &BackupArgs) -> Result<CliExit, CliError> {
        Err(unsupported("backups", "object-store"))
    }

    pub async fn restore_store(_: &GlobalArgs, _: &RestoreArgs, _: Printer) -> Result<CliExit, CliError> {
        Err(unsupported("backups", "object-store"))
    }
}

#[cfg(not(feature = "age"))]
pub mod encrypted_export {
    use std::fs::File;
    use std::io::BufReader;

    use runstate::transfer::ExportSummary;
    use runstate::transfer::disk::StagedExport;

    use super::unsupported;
    use crate::args::{BackupIdentityArgs, ExportArgs};
    use crate::error::CliError;
    use crate::progress::Bar;
    use crate::session::Session;

    pub async fn export_encrypted(
        _: &Session,
        export: &ExportArgs,
        _: Option<&StagedExport>,
        _: &Bar,
    ) -> Result<Option<ExportSummary>, CliError> {
        match export.encryption.is_empty() {
            true => Ok(None),
            false => Err(unsupported("encrypted exports", "age")),
        }
    }

    pub fn decrypting_reader(_: File, _: &str, _: &BackupIdentityArgs) -> Result<BufReader<File>, CliError> {
        Err(unsupported("encrypted exports", "age"))
    }
}

#[cfg(all(feature = "object-store", not(feature = "age")))]
pub mod encrypted_backup {
    use std::sync::Arc;

    use runstate::transfer::backup::{BackupDecryption, BackupEncryption};

    use super::unsupported;
    use crate::args::{BackupIdentityArgs, BackupRecipientArgs};
    use crate::error::CliError;

    pub fn backup_encryption(args: &BackupRecipientArgs) -> Result<Option<Arc<dyn BackupEncryption>>, CliError> {
        match args.is_empty() {
            true => Ok(None),
            false => Err(unsupported("encrypted backups", "age")),
        }
    }

    pub fn backup_decryption(args: &BackupIdentityArgs) -> Result<Option<Box<dyn BackupDecryption>>, CliError> {
        match args.is_empty() {
            true => Ok(None),
            false => Err(unsupported("encrypted backups", "age")),
        }
    }
}

#[cfg(not(feature = "webhook"))]
pub mod webhooks {
    use runstate::domain::apps::DeliveryWork;
    use runstate::work::Worker;

    use super::unsupported;
    use crate::args::WorkArgs;
    use crate::error::CliError;
    use crate::session::Session;

    pub fn webhook_worker(_: &Session, _: &WorkArgs, _: &str) -> Result<Worker<DeliveryWork>, CliError> {
        Err(unsupported("webhooks", "webhook"))
    }
}
