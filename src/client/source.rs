//! Loading a program from its source.

use runstate_domain_cvm::{Load, LoadedProgram, ProgramFile, compile_source};
use runstate_engine::Error;
use runstate_vm::Instruction;

use super::Cvm;

/// Compiles a source, as [`Cvm::load_source`] does. `name` is the file name in diagnostics.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
pub fn compile(name: &str, source: &str) -> Result<Vec<Instruction>, Error> {
    Ok(compile_program(name, source, None, Vec::new())?.bytecode)
}

/// Compiles a program of several files, as [`Cvm::load_files`] does, to the command that loads it.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
pub fn compile_program(name: &str, source: &str, entry: Option<&str>, files: Vec<ProgramFile>) -> Result<Load, Error> {
    Ok(compile_source(name, source, entry, files)?)
}

impl Cvm {
    /// Compiles a source and loads it under a name.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; those of [`Cvm::load`].
    pub async fn load_source(&self, name: &str, source: &str) -> Result<LoadedProgram, Error> {
        self.load_files(name, source, None, Vec::new()).await
    }

    /// Compiles a program of several files and loads it under a name. `source` is that of the entry, whose path is
    /// `entry`, by default `main.ts`. Files that are not imported are not stored.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; those of [`Cvm::load`].
    pub async fn load_files(
        &self,
        name: &str,
        source: &str,
        entry: Option<&str>,
        files: Vec<ProgramFile>,
    ) -> Result<LoadedProgram, Error> {
        self.load(&compile_program(name, source, entry, files)?).await
    }
}
