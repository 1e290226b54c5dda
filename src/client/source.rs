//! Loading a program from its source.

use super::Cvm;
use crate::domain::cvm::{Load, LoadedProgram, compile_source};
use crate::engine::Error;

impl Cvm {
    /// Compiles a source and loads it under a name.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; those of [`Cvm::load`].
    pub async fn load_source(&self, name: &str, source: &str) -> Result<LoadedProgram, Error> {
        let bytecode = compile_source(name, source)?;
        self.load(&Load::new(name, source, bytecode)).await
    }
}
