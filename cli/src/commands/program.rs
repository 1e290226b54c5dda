//! `program show` and `program rm`: prints one program, and removes programs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use runstate::engine::{ProgramSummary, VersionSummary};
use runstate::error_code::ErrorCode;
use runstate::vm::op::Op;
use serde_json::{Value as Json, json};

use super::delete::{INTERRUPTED_NOTE, confirm};
use super::programs::TIME_FIELDS;
use super::show::label_line;
use super::target::{Target, Targets};
use super::verify::format_bytes;
use crate::args::ShowProgramArgs;
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::json_output::with_times;
use crate::progress::Bar;
use crate::session::Session;
use crate::table::{Cell, TableColumn, TextTable, terminal_width};

/// One version of a program.
struct ProgramDetails {
    /// The program, if no version was given.
    program: Option<ProgramSummary>,
    version: VersionSummary,
    source: String,
    bytecode: Json,
}

impl ProgramDetails {
    async fn read(session: &Session, name: &str, version: Option<u32>) -> Result<Self, CliError> {
        if let Some(version) = version {
            let view = session.cvm.version(name, version).await?;
            return Ok(Self { program: None, version: view.summary, source: view.source, bytecode: view.bytecode });
        }
        let view = session.cvm.program(name).await?;
        let of = &view.summary;
        let version = VersionSummary {
            program_id: of.id.clone(),
            program_version: of.program_version,
            created: of.modified,
            bytecode_version: of.bytecode_version,
            compiler: of.compiler.clone(),
            ..VersionSummary::default()
        };
        Ok(Self { program: Some(view.summary), version, source: view.source, bytecode: view.bytecode })
    }
}

/// Prints a program.
pub async fn show(session: &Session, asked: &ShowProgramArgs) -> Result<CliExit, CliError> {
    let out = session.out;
    let name = match (&asked.name, &asked.id) {
        (Some(name), _) => name.clone(),
        (None, id) => session.cvm.program_by_id(id.as_deref().unwrap_or_default()).await?.summary.name,
    };
    let name = name.as_str();
    let shown = ProgramDetails::read(session, name, asked.version).await?;
    if asked.source {
        if out.is_json() { out.value(&shown.source)? } else { out.raw(&shown.source)? }
    } else if asked.bytecode {
        if out.is_json() {
            out.value(&shown.bytecode)?
        } else {
            out.styled_lines(&bytecode_lines(session, &shown.bytecode))?
        }
    } else {
        let statuses = session.cvm.statuses(Some(name)).await?;
        if out.is_json() {
            out.value(&to_json(&shown, &statuses))?
        } else {
            out.styled_lines(&detail_lines(session, name, &shown, &statuses))?
        }
    }
    Ok(CliExit::Done)
}

/// Returns the JSON of a program, without its bytecode, which has a flag of its own.
fn to_json(shown: &ProgramDetails, statuses: &BTreeMap<String, u64>) -> Json {
    let mut output = match &shown.program {
        Some(program) => with_times(program, &TIME_FIELDS),
        None => with_times(&shown.version, &TIME_FIELDS),
    };
    output["source"] = json!(shown.source);
    output["executions"] = json!(statuses);
    output
}

fn detail_lines(
    session: &Session,
    name: &str,
    shown: &ProgramDetails,
    statuses: &BTreeMap<String, u64>,
) -> Vec<String> {
    let fact = |what: &str, value: &str| label_line(session.out.paint(), what, value);
    let ProgramDetails { program, version, source, bytecode } = shown;
    let number = |n: Option<u32>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut facts = vec![fact("program", name), fact("version", &number(version.program_version))];
    if let Some(program) = program {
        facts.extend(program.description.iter().map(|text| fact("description", text)));
        if !program.tags.is_empty() {
            facts.push(fact("tags", &program.tags.join(", ")));
        }
        facts.extend(program.created.map(|at| fact("created", &at.to_string())));
    }
    let loaded = if program.is_some() { "modified" } else { "created" };
    facts.extend(version.created.map(|at| fact(loaded, &at.to_string())));
    facts.push(fact(
        "source",
        &format!("{}, {}", pluralize(source.lines().count(), "line"), format_bytes(source.len() as u64)),
    ));
    let compiler = version.compiler.as_deref().unwrap_or("?");
    let instructions = pluralize(bytecode.as_array().map_or(0, Vec::len), "instruction");
    let of = number(version.bytecode_version);
    facts.push(fact("bytecode", &format!("{instructions}, version {of}, by {compiler}")));
    // The counts are those of all versions.
    if program.is_some() {
        facts.push(fact("executions", &format_counts(statuses)));
    }
    facts
}

/// Formats a number with its noun: `1 line`, `2 lines`.
fn pluralize(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Formats counts by status: `2 complete, 1 waiting_cc`.
pub fn format_counts(statuses: &BTreeMap<String, u64>) -> String {
    let some = statuses.iter().filter(|(_, n)| **n > 0).map(|(status, n)| format!("{n} {status}"));
    let text = some.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
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

/// Removes the programs; `yes`: without confirmation.
pub async fn remove(session: &Session, named: Targets, yes: bool) -> Result<CliExit, CliError> {
    let lost = "with all versions";
    if !yes && io::stdin().is_terminal() && !confirm(session, "Remove", &named, lost).await? {
        session.out.remark("nothing was removed");
        return Ok(CliExit::Rejected);
    }
    let bar = Bar::with_total(session.out, "removing", named.all().len());
    let removed = interrupt::run_interruptible(INTERRUPTED_NOTE, remove_each(session, &named, &bar)).await;
    bar.clear();
    removed
}

async fn remove_each(session: &Session, named: &Targets, bar: &Bar) -> Result<CliExit, CliError> {
    let mut worst = CliExit::Done;
    for one in named.all() {
        let exit = match remove_one(session, one).await {
            Ok(()) => bar.step(|| print_removed(session, &one.id))?,
            Err(failure) if named.single().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.report_rejection("program", &one.id, failure))?,
        };
        worst = worst.most_severe(exit);
    }
    Ok(worst)
}

async fn remove_one(session: &Session, Target { id: name, command }: &Target) -> Result<(), CliError> {
    let Err(error) = session.cvm.remove_program(name, command.as_ref()).await else { return Ok(()) };
    if error.code != ErrorCode::InUse {
        return Err(error.into());
    }
    let statuses = session.cvm.statuses(Some(name)).await?;
    let all: u64 = statuses.values().sum();
    let hint = || {
        format!(
            ". It has {} ({}). List them with `{}`, cancel the active ones with `{}`, delete them with `{}`",
            pluralize(usize::try_from(all).unwrap_or(usize::MAX), "execution"),
            format_counts(&statuses),
            session.invocation_with_flag("list", "--program", name),
            session.command_line("cancel ID…"),
            session.command_line("delete ID…")
        )
    };
    Err(CliError::from(error).explain(ErrorCode::InUse, hint))
}

fn print_removed(session: &Session, name: &str) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(&json!({ "name": name, "removed": true }))?;
    } else {
        session.out.line(&format!("{name} is removed"))?;
    }
    Ok(CliExit::Done)
}
