//! Loading a program from its source.

use super::Cvm;
use crate::domain::cvm::{Load, LoadedProgram, compile_source};
use crate::engine::Error;
use crate::vm::Instruction;

/// Compiles a source, as [`Cvm::load_source`] does. `name` is the file name in diagnostics.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
pub fn compile(name: &str, source: &str) -> Result<Vec<Instruction>, Error> {
    Ok(compile_source(name, source)?)
}

impl Cvm {
    /// Compiles a source and loads it under a name.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; those of [`Cvm::load`].
    pub async fn load_source(&self, name: &str, source: &str) -> Result<LoadedProgram, Error> {
        let bytecode = compile(name, source)?;
        self.load(&Load::new(name, source, bytecode)).await
    }
}
