//! `program show` and `program rm`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use runstate::code::Code;
use runstate::engine::{ProgramSummary, VersionSummary};
use runstate::vm::op::Op;
use serde_json::{Value as Json, json};

use super::delete::{KEPT, confirmed};
use super::named::{Named, One};
use super::programs::TIMES;
use super::show::fact;
use super::verify::bytes;
use crate::args::ShowProgram;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Bar;
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told::with_times;

/// One version of a program.
struct Shown {
    /// The program, where no version was named.
    program: Option<ProgramSummary>,
    version: VersionSummary,
    source: String,
    bytecode: Json,
}

impl Shown {
    async fn read(session: &Session, name: &str, version: Option<u32>) -> Result<Self, Failure> {
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

/// Shows one.
pub async fn show(session: &Session, asked: &ShowProgram) -> Result<Exit, Failure> {
    let out = session.out;
    let name = match (&asked.name, &asked.id) {
        (Some(name), _) => name.clone(),
        (None, id) => session.cvm.program_by_id(id.as_deref().unwrap_or_default()).await?.summary.name,
    };
    let name = name.as_str();
    let shown = Shown::read(session, name, asked.version).await?;
    if asked.source {
        if out.json() { out.value(&shown.source)? } else { out.exactly(&shown.source)? }
    } else if asked.bytecode {
        if out.json() { out.value(&shown.bytecode)? } else { out.painted(&listing(session, &shown.bytecode))? }
    } else {
        let statuses = session.cvm.statuses(Some(name)).await?;
        if out.json() {
            out.value(&told(&shown, &statuses))?
        } else {
            out.painted(&facts(session, name, &shown, &statuses))?
        }
    }
    Ok(Exit::Done)
}

/// As programs read it: the bytecode is asked for by itself.
fn told(shown: &Shown, statuses: &BTreeMap<String, u64>) -> Json {
    let mut told = match &shown.program {
        Some(program) => with_times(program, &TIMES),
        None => with_times(&shown.version, &TIMES),
    };
    told["source"] = json!(shown.source);
    told["executions"] = json!(statuses);
    told
}

fn facts(session: &Session, name: &str, shown: &Shown, statuses: &BTreeMap<String, u64>) -> Vec<String> {
    let fact = |what: &str, value: &str| fact(session.out.paint(), what, value);
    let Shown { program, version, source, bytecode } = shown;
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
        &format!("{}, {}", number_of(source.lines().count(), "line"), bytes(source.len() as u64)),
    ));
    let compiler = version.compiler.as_deref().unwrap_or("?");
    let instructions = number_of(bytecode.as_array().map_or(0, Vec::len), "instruction");
    let of = number(version.bytecode_version);
    facts.push(fact("bytecode", &format!("{instructions}, version {of}, by {compiler}")));
    // They are those of all versions.
    if program.is_some() {
        facts.push(fact("executions", &counted(statuses)));
    }
    facts
}

/// `1 line`, `2 lines`
fn number_of(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// `2 complete, 1 waiting_cc`
pub fn counted(statuses: &BTreeMap<String, u64>) -> String {
    let some = statuses.iter().filter(|(_, n)| **n > 0).map(|(status, n)| format!("{n} {status}"));
    let text = some.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

/// An instruction a line.
fn listing(session: &Session, bytecode: &Json) -> Vec<String> {
    let mut table =
        Table::new([Column::number("PC"), Column::number("LINE"), Column::text("OP"), Column::text("ARG").cut(12, 40)]);
    for (pc, instruction) in bytecode.as_array().into_iter().flatten().enumerate() {
        let line = instruction["line"].as_u64().unwrap_or_default();
        table.row([
            Cell::from(pc.to_string().as_str()),
            Cell::from(line.to_string().as_str()),
            Cell::from(operation(instruction).as_str()),
            Cell::from(instruction.get("arg").map(Json::to_string).unwrap_or_default().as_str()),
        ]);
    }
    table.lines(room(), session.out.paint())
}

/// The name of an instruction's operation, its number where this version knows none.
pub fn operation(instruction: &Json) -> String {
    let number = instruction["op"].as_u64();
    let name = number.and_then(Op::from_code).map(|op| op.name().to_owned());
    name.unwrap_or_else(|| instruction["op"].to_string())
}

/// Removes them; `yes`: without a question.
pub async fn remove(session: &Session, named: Named, yes: bool) -> Result<Exit, Failure> {
    let lost = "with all versions";
    if !yes && io::stdin().is_terminal() && !confirmed(session, "Remove", &named, lost).await? {
        session.out.remark("nothing was removed");
        return Ok(Exit::Rejected);
    }
    let bar = Bar::counting(session.out, "removing", named.all().len());
    let removed = interrupt::unless(KEPT, each(session, &named, &bar)).await;
    bar.clear();
    removed
}

async fn each(session: &Session, named: &Named, bar: &Bar) -> Result<Exit, Failure> {
    let mut worst = Exit::Done;
    for one in named.all() {
        let exit = match one_of(session, one).await {
            Ok(()) => bar.step(|| said(session, &one.id))?,
            Err(failure) if named.alone().is_some() => return Err(failure),
            Err(failure) => bar.step(|| session.out.refused("program", &one.id, failure))?,
        };
        worst = worst.graver(exit);
    }
    Ok(worst)
}

async fn one_of(session: &Session, One { id: name, command }: &One) -> Result<(), Failure> {
    let Err(error) = session.cvm.remove_program(name, command.as_ref()).await else { return Ok(()) };
    if error.code != Code::InUse {
        return Err(error.into());
    }
    let statuses = session.cvm.statuses(Some(name)).await?;
    let all: u64 = statuses.values().sum();
    let hint = || {
        format!(
            ". It has {all} ({}): `{}` lists them, `{}` ends those that have not ended, `{}` deletes them",
            counted(&statuses),
            session.flagged("list", "--program", name),
            session.line("cancel ID…"),
            session.line("delete ID…")
        )
    };
    Err(Failure::from(error).explain(Code::InUse, hint))
}

fn said(session: &Session, name: &str) -> Result<Exit, Failure> {
    if session.out.json() {
        session.out.value(&json!({ "name": name, "removed": true }))?;
    } else {
        session.out.line(&format!("{name} is removed"))?;
    }
    Ok(Exit::Done)
}
