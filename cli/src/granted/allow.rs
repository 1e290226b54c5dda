//! What is granted, as the command line and the environment say it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Granted, Grants};
use crate::failure::{self, Failure};

/// Folders to read and to write, separated as in PATH.
const SANDBOX_PATHS: &str = "CVM_SANDBOX_PATHS";

/// What programs may do beside asking; for everything that runs them.
#[derive(Debug, Default, clap::Args)]
pub struct Allow {
    /// Let programs read and list files below DIR (repeatable) [also: CVM_SANDBOX_PATHS, to read and write]
    #[arg(long, value_name = "DIR")]
    pub allow_read: Vec<PathBuf>,
    /// Let programs write files below DIR, which does not let them read those (repeatable)
    #[arg(long, value_name = "DIR")]
    pub allow_write: Vec<PathBuf>,
}

impl Allow {
    /// Opens the folders that were granted here and by the environment; those named here come first.
    pub fn grants(&self) -> Result<Grants, Failure> {
        self.grants_with(env::var_os(SANDBOX_PATHS).as_deref())
    }

    /// As [`Allow::grants`], where the environment says `sandbox`.
    pub fn grants_with(&self, sandbox: Option<&OsStr>) -> Result<Grants, Failure> {
        let both = opened(SANDBOX_PATHS, &folders(sandbox.unwrap_or_default().to_owned()))?;
        let read = opened("--allow-read", &self.allow_read)?;
        let write = opened("--allow-write", &self.allow_write)?;
        let with = |named: Vec<Granted>| named.into_iter().chain(both.iter().cloned()).collect();
        Ok(Grants { read: with(read), write: with(write) })
    }
}

/// An empty entry is nothing here; in PATH it would be the current folder, which nobody means to grant by a colon too many.
fn folders(list: OsString) -> Vec<PathBuf> {
    env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()).collect()
}

fn opened(by: &str, folders: &[PathBuf]) -> Result<Vec<Granted>, Failure> {
    let open = |folder: &PathBuf| Granted::open(folder).map_err(|error| unusable(by, folder, &error));
    folders.iter().map(open).collect()
}

fn unusable(by: &str, folder: &Path, error: &std::io::Error) -> Failure {
    failure::usage(format!("{by} names {}, which cannot be granted as a folder: {error}", folder.display()))
}
