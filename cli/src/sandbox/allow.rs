//! The grants of the command line and the environment.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{GrantedFolder, Grants};
use crate::error::{self, CliError};

/// The environment variable for folders to read and write, separated as in PATH.
const SANDBOX_PATHS: &str = "CVM_SANDBOX_PATHS";

/// The options of commands that run programs, for the files that programs may use.
#[derive(Debug, Default, clap::Args)]
pub struct SandboxArgs {
    /// Let programs read and list files below DIR (repeatable) [also: CVM_SANDBOX_PATHS, to read and write]
    #[arg(long, value_name = "DIR")]
    pub allow_read: Vec<PathBuf>,
    /// Let programs write files below DIR, but not read them (repeatable)
    #[arg(long, value_name = "DIR")]
    pub allow_write: Vec<PathBuf>,
}

impl SandboxArgs {
    /// Opens the folders that these options and the environment grant. Those of the options come first.
    pub fn open_grants(&self) -> Result<Grants, CliError> {
        self.open_grants_with(env::var_os(SANDBOX_PATHS).as_deref())
    }

    /// Like [`SandboxArgs::open_grants`], with `sandbox` as the value of the environment variable.
    pub fn open_grants_with(&self, sandbox: Option<&OsStr>) -> Result<Grants, CliError> {
        let both = open_folders(SANDBOX_PATHS, &split_folders(sandbox.unwrap_or_default().to_owned()))?;
        let read = open_folders("--allow-read", &self.allow_read)?;
        let write = open_folders("--allow-write", &self.allow_write)?;
        let with = |named: Vec<GrantedFolder>| named.into_iter().chain(both.iter().cloned()).collect();
        Ok(Grants { read: with(read), write: with(write) })
    }
}

/// Splits a list of folders. An empty entry is ignored. In PATH it is the current folder; here it is rather a colon too many.
fn split_folders(list: OsString) -> Vec<PathBuf> {
    env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()).collect()
}

fn open_folders(by: &str, folders: &[PathBuf]) -> Result<Vec<GrantedFolder>, CliError> {
    let open = |folder: &PathBuf| GrantedFolder::open(folder).map_err(|error| unusable_folder(by, folder, &error));
    folders.iter().map(open).collect()
}

fn unusable_folder(by: &str, folder: &Path, error: &std::io::Error) -> CliError {
    error::usage(format!("{by} names {}, which cannot be opened as a folder: {error}", folder.display()))
}
