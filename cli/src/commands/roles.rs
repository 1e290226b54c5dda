//! `roles`: prints a script that creates the roles of a store: for `mongosh` or for `psql`.

use runstate::engine::Error;
use runstate::open;
use runstate::operation::Registry;
use serde_json::Value as Json;

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::printer::Printer;
use crate::session::resolve_store_url;

/// The script for `mongosh` after the commands. It may be run again, after an update of runstate for example.
const SCRIPT: &str = include_str!("roles.js");

/// Prints the script; for programs the commands.
pub async fn print_roles(global: &GlobalArgs, out: Printer) -> Result<CliExit, CliError> {
    let registry = Registry::new(crate::domains()).map_err(|error| Error::internal(error.to_string()))?;
    let commands = open::roles(&resolve_store_url(global)?, &registry).await?;
    if out.is_json() {
        out.value(&commands)?;
        return Ok(CliExit::Done);
    }
    // Statements of SQL.
    if commands.iter().all(Json::is_string) {
        let statements = commands.iter().filter_map(Json::as_str).map(|statement| format!("{statement};"));
        out.lines(&statements.collect::<Vec<_>>())?;
        return Ok(CliExit::Done);
    }
    // One privilege a line.
    let array = |values: &Json, indent: &str| {
        let values: Vec<String> =
            values.as_array().into_iter().flatten().map(|one| format!("{indent}  {one}")).collect();
        if values.is_empty() { "[]".to_owned() } else { format!("[\n{}\n{indent}]", values.join(",\n")) }
    };
    let roles: Vec<String> = commands
        .iter()
        .map(|command| {
            let (name, inherited) = (&command["createRole"], &command["roles"]);
            let privileges = array(&command["privileges"], "    ");
            format!(
                "  {{\n    \"createRole\": {name},\n    \"privileges\": {privileges},\n    \"roles\": {inherited}\n  }}"
            )
        })
        .collect();
    let script = format!("const commands = [\n{}\n];\n{SCRIPT}", roles.join(",\n"));
    out.lines(&script.lines().map(str::to_owned).collect::<Vec<_>>())?;
    Ok(CliExit::Done)
}
