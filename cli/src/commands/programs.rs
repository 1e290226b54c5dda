//! `programs` and `program history`: which programs there are, and their versions.

use runstate::engine::{ProgramSummary, VersionView};
use runstate::time::Timestamp;
use serde_json::json;

use super::verify::bytes;
use crate::args::Programs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::moment::{ago, to_the_second};
use crate::pages::{Bound, Pages};
use crate::session::Session;
use crate::table::{Cell, Column, Table, room};
use crate::told::with_times;

/// Where the moments of a program, and of a version, stand.
pub const TIMES: [&str; 2] = ["created", "modified"];

/// Lists programs.
pub async fn execute(session: &Session, Programs { tag, limit }: Programs) -> Result<Exit, Failure> {
    let (out, room) = (session.out, room());
    let bound = Bound::new(limit, room.is_some() && !out.json());
    let (mut pages, mut found) = (Pages::of(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        let page = match &tag {
            Some(tag) => session.cvm.programs_tagged(tag, &page).await?,
            None => session.cvm.programs(&page).await?,
        };
        pages.took(page.rows.len(), page.next);
        found.extend(page.rows);
    }
    if out.json() {
        let told: Vec<_> = found.iter().map(|program| with_times(program, &TIMES)).collect();
        out.values(&told)?;
        return Ok(Exit::Done);
    }
    let more = bound.cut(&mut found);
    if found.is_empty() {
        let hint = session.next_step(|| "runstate load FILE keeps one".to_owned());
        out.remark(&tag.map_or(format!("no programs; {hint}"), |tag| format!("no programs have the tag `{tag}`")));
        return Ok(Exit::Done);
    }
    let now = room.is_some().then(|| session.engine.now());
    out.painted(&table(&found, now).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("these are the first {shown}; --limit N shows more of them"));
    }
    Ok(Exit::Done)
}

fn table(found: &[ProgramSummary], now: Option<Timestamp>) -> Table {
    let mut table = Table::new([
        Column::text("NAME").cut(8, 32),
        Column::number("VERSION"),
        Column::text("MODIFIED"),
        Column::text("TAGS").cut(6, 16),
        Column::text("DESCRIPTION").cut(11, 24),
    ]);
    for program in found {
        table.row([
            Cell::from(program.name.as_str()),
            Cell::from(program.program_version.map(|n| n.to_string()).unwrap_or_default().as_str()),
            Cell::from(program.modified.map(|at| moment(at, now)).unwrap_or_default().as_str()),
            Cell::from(program.tags.join(", ").as_str()),
            Cell::from(program.description.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// A moment in a table: from `now`, where a person at a terminal reads it.
pub fn moment(at: Timestamp, now: Option<Timestamp>) -> String {
    now.map_or_else(|| to_the_second(at), |now| ago(at, now))
}

/// Lists the versions of a program.
pub async fn history(session: &Session, name: &str, limit: Option<u32>) -> Result<Exit, Failure> {
    let (out, room) = (session.out, room());
    let bound = Bound::new(limit, room.is_some() && !out.json());
    let (mut pages, mut found) = (Pages::of(bound.rows()), Vec::new());
    while let Some(page) = pages.next() {
        let page = session.cvm.versions(name, &page).await?;
        pages.took(page.rows.len(), page.next);
        // How large they are is in themselves alone; of each only that is kept.
        for number in page.rows.iter().filter_map(|version| version.program_version) {
            found.push(Measured::of(session.cvm.version(name, number).await?));
        }
    }
    if out.json() {
        let told: Vec<_> = found.iter().map(Measured::told).collect();
        out.values(&told)?;
        return Ok(Exit::Done);
    }
    let more = bound.cut(&mut found);
    let now = room.is_some().then(|| session.engine.now());
    out.painted(&versions(&found, now).lines(room, out.paint()))?;
    if let Some(shown) = more {
        out.remark(&format!("these are the newest {shown}; --limit N shows more of them"));
    }
    Ok(Exit::Done)
}

/// A version, and how large it is.
struct Measured {
    version: runstate::engine::VersionSummary,
    source: usize,
    instructions: usize,
}

impl Measured {
    fn of(view: VersionView) -> Self {
        let instructions = view.bytecode.as_array().map_or(0, Vec::len);
        Self { version: view.summary, source: view.source.len(), instructions }
    }

    fn told(&self) -> serde_json::Value {
        let mut told = with_times(&self.version, &TIMES);
        told["sourceBytes"] = json!(self.source);
        told["instructions"] = json!(self.instructions);
        told
    }
}

fn versions(found: &[Measured], now: Option<Timestamp>) -> Table {
    let mut table = Table::new([
        Column::number("VERSION"),
        Column::text("CREATED"),
        Column::text("COMPILER").cut(8, 24),
        Column::number("BYTECODE"),
        Column::number("INSTRUCTIONS"),
        Column::number("SOURCE"),
    ]);
    for Measured { version, source, instructions } in found {
        let number = |n: Option<u32>| Cell::from(n.map(|n| n.to_string()).unwrap_or_default().as_str());
        table.row([
            number(version.program_version),
            Cell::from(version.created.map(|at| moment(at, now)).unwrap_or_default().as_str()),
            Cell::from(version.compiler.as_deref().unwrap_or_default()),
            number(version.bytecode_version),
            Cell::from(instructions.to_string().as_str()),
            Cell::from(bytes(*source as u64).as_str()),
        ]);
    }
    table
}
