//! `load`: stores a program under its name. `program show` and `program rm`: prints one program, and removes programs.

use std::collections::BTreeMap;
use std::io;
use std::io::IsTerminal;

use runstate::domain::cvm::Load;
use runstate::engine::{ProgramSummary, VersionSummary};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::vm::op::Op;
use serde_json::{Value as Json, json};

use super::bulk::{INTERRUPTED_NOTE, Target, Targets, confirm};
use super::executions::label_line;
use super::programs::TIME_FIELDS;
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
        let summary = &view.summary;
        let version = VersionSummary {
            program_id: summary.id.clone(),
            program_version: summary.program_version,
            created: summary.modified,
            bytecode_version: summary.bytecode_version,
            compiler: summary.compiler.clone(),
            ..VersionSummary::default()
        };
        Ok(Self { program: Some(view.summary), version, source: view.source, bytecode: view.bytecode })
    }
}

/// Prints a program.
pub async fn show_program(session: &Session, args: &ShowProgramArgs) -> Result<CliExit, CliError> {
    let out = session.out;
    let name = match (&args.name, &args.id) {
        (Some(name), _) => name.clone(),
        (None, id) => session.cvm.program_by_id(id.as_deref().unwrap_or_default()).await?.summary.name,
    };
    let name = name.as_str();
    let details = ProgramDetails::read(session, name, args.version).await?;
    if args.source {
        if out.is_json() { out.value(&details.source)? } else { out.raw(&details.source)? }
    } else if args.bytecode {
        if out.is_json() {
            out.value(&details.bytecode)?
        } else {
            out.styled_lines(&bytecode_lines(session, &details.bytecode))?
        }
    } else {
        let statuses = session.cvm.statuses(Some(name)).await?;
        if out.is_json() {
            out.value(&program_json(&details, &statuses))?
        } else {
            out.styled_lines(&detail_lines(session, name, &details, &statuses))?
        }
    }
    Ok(CliExit::Done)
}

/// Returns the JSON of a program, without its bytecode, which has a flag of its own.
fn program_json(details: &ProgramDetails, statuses: &BTreeMap<String, u64>) -> Json {
    let mut output = match &details.program {
        Some(program) => with_times(program, &TIME_FIELDS),
        None => with_times(&details.version, &TIME_FIELDS),
    };
    output["source"] = json!(details.source);
    output["executions"] = json!(statuses);
    output
}

fn detail_lines(
    session: &Session,
    name: &str,
    details: &ProgramDetails,
    statuses: &BTreeMap<String, u64>,
) -> Vec<String> {
    let fact = |what: &str, value: &str| label_line(session.out.paint(), what, value);
    let ProgramDetails { program, version, source, bytecode } = details;
    let number = |n: Option<u32>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let mut facts = vec![fact("program", name), fact("version", &number(version.program_version))];
    if let Some(program) = program {
        facts.extend(program.description.iter().map(|text| fact("description", text)));
        if !program.tags.is_empty() {
            facts.push(fact("tags", &program.tags.join(", ")));
        }
        facts.extend(program.created.map(|at| fact("created", &at.to_string())));
    }
    let label = if program.is_some() { "modified" } else { "created" };
    facts.extend(version.created.map(|at| fact(label, &at.to_string())));
    facts.push(fact(
        "source",
        &format!("{}, {}", pluralize(source.lines().count(), "line"), format_bytes(source.len() as u64)),
    ));
    let compiler = version.compiler.as_deref().unwrap_or("?");
    let instructions = pluralize(bytecode.as_array().map_or(0, Vec::len), "instruction");
    let format = number(version.bytecode_version);
    facts.push(fact("bytecode", &format!("{instructions}, version {format}, by {compiler}")));
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
    let counts = statuses.iter().filter(|(_, n)| **n > 0).map(|(status, n)| format!("{n} {status}"));
    let text = counts.collect::<Vec<_>>().join(", ");
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
pub async fn remove_programs(session: &Session, targets: Targets, yes: bool) -> Result<CliExit, CliError> {
    let loss = "with all versions";
    if !yes && io::stdin().is_terminal() && !confirm(session, "Remove", &targets, loss).await? {
        session.out.remark("nothing was removed");
        return Ok(CliExit::Rejected);
    }
    let bar = Bar::with_total(session.out, "removing", targets.all().len());
    let removed = interrupt::run_interruptible(INTERRUPTED_NOTE, remove_each(session, &targets, &bar)).await;
    bar.clear();
    removed
}

async fn remove_each(session: &Session, targets: &Targets, bar: &Bar) -> Result<CliExit, CliError> {
    let mut worst = CliExit::Done;
    for target in targets.all() {
        let exit = match remove_one(session, target).await {
            Ok(()) => bar.step(|| print_removed(session, &target.id))?,
            Err(failure) if targets.single().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.report_rejection("program", &target.id, failure))?,
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

/// Loads a program.
pub async fn load_program(session: &Session, load: &Load, command: Option<&CommandId>) -> Result<CliExit, CliError> {
    let loaded = session.cvm.load(load, command).await?;
    if session.out.is_json() {
        session.out.value(&loaded)?;
    } else {
        session.out.line(&format!("{} (version {})", loaded.name, loaded.program_version))?;
        let hint = || format!("start it with: {}", session.invocation("start", &loaded.name, ""));
        session.out.remark(&session.next_step(hint));
    }
    Ok(CliExit::Done)
}
