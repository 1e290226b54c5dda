//! `load`: stores a program under its name. `program show`: prints a program, its source or its bytecode.

use runstate::domain::cvm::Load;
use runstate::id::CommandId;
use runstate::value::Document;
use runstate::vm::op::Op;
use serde_json::{Value as Json, json};

use super::verify::format_bytes;
use crate::args::ShowProgramArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::operations;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};

pub async fn show_program(session: &Session, args: &ShowProgramArgs) -> Result<CliExit, CliError> {
    let out = session.out;
    let name = match (&args.name, &args.id) {
        (Some(name), _) => name.clone(),
        (None, id) => session.cvm.program_by_id(id.as_deref().unwrap_or_default()).await?.name,
    };
    let (operation, parameters) = match args.version {
        Some(version) => (
            "cvm.version",
            Document::from_iter([("name".to_owned(), json!(name)), ("version".to_owned(), json!(version))]),
        ),
        None => ("cvm.program", Document::from_iter([("name".to_owned(), json!(name))])),
    };
    let mut view = session.engine.call(operation, parameters).await?;
    let (source, bytecode) = (view["source"].take(), view["bytecode"].take());
    if args.source {
        if out.is_json() {
            out.value(&source)?
        } else {
            out.raw(source.as_str().unwrap_or_default())?
        }
        return Ok(CliExit::Done);
    }
    if args.bytecode {
        if out.is_json() {
            out.value(&bytecode)?
        } else {
            out.styled_lines(&bytecode_lines(session, &bytecode))?
        }
        return Ok(CliExit::Done);
    }
    // The counts are those of all versions.
    let executions = session.cvm.statuses(Some(&name)).await?;
    if out.is_json() {
        if let Json::Object(members) = &mut view {
            members.shift_remove("bytecode");
        }
        view["source"] = source;
        view["executions"] = json!(executions);
        out.value(&operations::json_result(operation, view)?)?;
        return Ok(CliExit::Done);
    }
    let text = source.as_str().unwrap_or_default();
    view["source"] = format!("{}, {}", pluralize(text.lines().count(), "line"), format_bytes(text.len() as u64)).into();
    if let Some(files) = view["files"].as_array() {
        let paths: Vec<&str> = files.iter().filter_map(|file| file["path"].as_str()).collect();
        view["files"] = paths.join(", ").into();
    }
    view["bytecode"] = pluralize(bytecode.as_array().map_or(0, Vec::len), "instruction").into();
    let mut lines = operations::result_lines(session, operation, &view)?;
    if args.version.is_none() {
        let counts: Vec<String> =
            executions.iter().filter(|(_, n)| **n > 0).map(|(status, n)| format!("{n} {status}")).collect();
        lines.push(format!("executions: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }));
    }
    out.styled_lines(&lines)?;
    Ok(CliExit::Done)
}

/// Formats a number with its noun: `1 line`, `2 lines`.
fn pluralize(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Formats the bytecode, one instruction per line.
fn bytecode_lines(session: &Session, bytecode: &Json) -> Vec<String> {
    let mut table = TextTable::new([
        TableColumn::number("PC"),
        TableColumn::number("LINE"),
        TableColumn::text("OP"),
        TableColumn::text("ARG").shrinkable(12, 40),
    ]);
    for (pc, instruction) in bytecode.as_array().into_iter().flatten().enumerate() {
        let line = instruction["line"].as_u64().unwrap_or_default();
        table.push_row([
            Cell::from(pc.to_string().as_str()),
            Cell::from(line.to_string().as_str()),
            Cell::from(operation_name(instruction).as_str()),
            Cell::from(instruction.get("arg").map(Json::to_string).unwrap_or_default().as_str()),
        ]);
    }
    table.lines(terminal_width(), session.out.paint())
}

/// Returns the name of an instruction's operation, or its number if this version does not know it.
pub fn operation_name(instruction: &Json) -> String {
    let number = instruction["op"].as_u64();
    let name = number.and_then(Op::from_code).map(|op| op.name().to_owned());
    name.unwrap_or_else(|| instruction["op"].to_string())
}

pub async fn load_program(session: &Session, load: &Load, command: Option<&CommandId>) -> Result<CliExit, CliError> {
    let loaded = session.cvm.with_id(command).load(load).await?;
    if session.out.is_json() {
        session.out.value(&loaded)?;
    } else {
        session.out.line(&format!("{} (version {})", loaded.name, loaded.program_version))?;
        session.out.warnings(&loaded.warnings);
        let hint = || format!("start it with: {}", session.invocation("start", &loaded.name, ""));
        session.out.remark(&session.next_step(hint));
    }
    Ok(CliExit::Done)
}
