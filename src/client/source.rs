//! Loading a program from its source.

use runstate_domain_cvm::{Load, LoadedProgram, SourceOptions, compile_source};
use runstate_engine::Error;
use runstate_vm::Instruction;

use super::Cvm;

/// Compiles a source, as [`Cvm::load_source`] does. `name` is the file name in diagnostics.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
pub fn compile(name: &str, source: &str) -> Result<Vec<Instruction>, Error> {
    Ok(compile_program(name, source, SourceOptions::default())?.bytecode)
}

/// Compiles a source, with the files that it imports or as a script, to the command that loads it.
///
/// Errors: `compile_error`, with all problems in `details.diagnostics`.
///
/// ```
/// use runstate::client::compile_program;
/// use runstate::domain::cvm::SourceOptions;
///
/// # fn main() -> Result<(), runstate::engine::Error> {
/// let tools = Some(vec!["crm.find".to_owned(), "pay.refund".to_owned()]);
/// let options = SourceOptions { script: true, tools, ..SourceOptions::default() };
/// let load = compile_program("late", "return await tools.crm.find({ days: 30 })", options)?;
/// assert_eq!(load.tools, Some(vec!["crm.find".to_owned()]));
/// # Ok(())
/// # }
/// ```
pub fn compile_program(name: &str, source: &str, options: SourceOptions) -> Result<Load, Error> {
    Ok(compile_source(name, source, options)?)
}

impl Cvm {
    /// Compiles a source and loads it under a name.
    ///
    /// Errors: `compile_error`, with all problems in `details.diagnostics`; those of [`Cvm::load`].
    pub async fn load_source(&self, name: &str, source: &str) -> Result<LoadedProgram, Error> {
        self.load(&compile_program(name, source, SourceOptions::default())?).await
    }
}
