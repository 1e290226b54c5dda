//! Backups where this build has no object stores.

use runstate::engine::Error;
use runstate::error_code::ErrorCode;

use crate::args::{BackupArgs, GlobalArgs, RestoreArgs};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::printer::Printer;
use crate::session::Session;

pub async fn back_up_store(_: &Session, args: &BackupArgs) -> Result<CliExit, CliError> {
    Err(unsupported(&args.to))
}

pub async fn restore_store(_: &GlobalArgs, args: &RestoreArgs, _: Printer) -> Result<CliExit, CliError> {
    Err(unsupported(&args.from))
}

fn unsupported(url: &str) -> CliError {
    let message = format!("cannot open `{url}`: build runstate with the feature `object-store`");
    Error::new(ErrorCode::UNSUPPORTED, message).into()
}
