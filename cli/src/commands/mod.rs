//! One file a command, or two that belong together.

mod answer;
mod calls;
mod completions;
mod delete;
mod each;
mod export;
mod follow;
mod health;
mod import;
mod info;
mod list;
mod load;
mod logs;
mod named;
mod next;
mod output;
mod prepare;
mod program;
mod programs;
mod resume;
mod run;
mod show;
mod start;
mod stats;
mod sweep;
mod tick;
mod variables;
mod verify;
mod work;

use std::path::Path;

use clap::ValueEnum;
use runstate::domain::cvm::Load;
use runstate::engine::open::Missing;
use runstate::id::CommandId;
use runstate::limits::Settings;
use serde_json::Value as Json;

use crate::args::{Args, Command, Global, Level, Program, Running, These};
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::print::Out;
use crate::session::{Session, retention};

/// Names how much executions log that were not started with a level of their own.
const LOG_LEVEL: &str = "RUNSTATE_LOG_LEVEL";

/// Executes a command.
pub async fn execute(args: Args, out: Out) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    let open = async |missing, running: Option<&Running>| {
        let session = Session::open(&global, missing, settings(running)?, out).await?;
        session.do_due().await;
        Ok::<_, Failure>(session)
    };
    match command {
        Command::Run { file, name, id, input, answering, starting, writing, running } => {
            let load = crate::compile::program(&file, name.as_deref())?;
            let (input, command) = (input_of(input.as_deref())?, command_id(&writing)?);
            let run = run::Run { load, id, input, starting, answering, command };
            let session = open(Missing::Create, Some(&running)).await?;
            session.end(run.execute(&session).await).await
        }
        Command::Load { file, name, tag, description, id, writing } => {
            let load = crate::compile::program(&file, name.as_deref())?;
            let load = Load { tags: (!tag.is_empty()).then_some(tag), description, id, ..load };
            let command = command_id(&writing)?;
            let session = open(Missing::Create, None).await?;
            session.end(load::execute(&session, &load, command.as_ref()).await).await
        }
        Command::Start { name, id, input, starting, writing, running } => {
            let (input, command) = (input_of(input.as_deref())?, command_id(&writing)?);
            let start = starting.start(name, id, input);
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(start::execute(&session, start, command).await).await
        }
        Command::Next { id, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(next::execute(&session, &id, command).await).await
        }
        Command::Answer { id, of, answer, by, writing, running } => {
            let (value, command) = (answer::value(&answer)?, command_id(&writing)?);
            let answer = answer::Answer { of, value, by, command };
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(answer.execute(&session, &id).await).await
        }
        Command::Resume { id, answering, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(resume::execute(&session, &id, &answering, command).await).await
        }
        Command::Work(working) => {
            let session = Session::open(&global, Missing::Refuse, settings(Some(&working.running))?, out).await?;
            session.end(work::execute(&session, *working).await).await
        }
        Command::Tick { follow, running } => {
            let session = Session::open(&global, Missing::Refuse, settings(Some(&running))?, out).await?;
            session.end(tick::execute(&session, follow).await).await
        }
        Command::Sweep(sweeping) => {
            let session = Session::open(&global, Missing::Refuse, settings(None)?, out).await?;
            session.end(sweep::execute(&session, &sweeping).await).await
        }
        Command::Pause(these) => each(&global, these, None, each::Act::Pause, out).await,
        Command::Unpause { these, running } => each(&global, these, Some(&running), each::Act::Unpause, out).await,
        Command::Cancel(these) => each(&global, these, None, each::Act::Cancel, out).await,
        Command::Retry { these, running } => each(&global, these, Some(&running), each::Act::Retry, out).await,
        Command::Delete { these, yes } => {
            let named = named(these)?;
            let session = open(Missing::Refuse, None).await?;
            session.end(delete::execute(&session, named, yes).await).await
        }
        Command::Show { id, full } => {
            let session = open(Missing::Refuse, None).await?;
            session.end(show::execute(&session, &id, full).await).await
        }
        Command::Variables(variables) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(variables::execute(&session, &variables).await).await
        }
        Command::Output { id, follow } => {
            let session = open(Missing::Refuse, None).await?;
            session.end(output::execute(&session, &id, follow).await).await
        }
        Command::List(list) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(list::execute(&session, list).await).await
        }
        Command::Programs(programs) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(programs::execute(&session, programs).await).await
        }
        Command::Program { command } => program(&global, command, out).await,
        Command::Calls(calls) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(calls::execute(&session, calls).await).await
        }
        Command::Logs(logs) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(logs::execute(&session, logs).await).await
        }
        Command::Stats(stats) => {
            let session = open(Missing::Refuse, None).await?;
            session.end(stats::execute(&session, stats.program.as_deref()).await).await
        }
        Command::Health => {
            let session = Session::open(&global, Missing::Refuse, settings(None)?, out).await?;
            session.end(health::execute(&session).await).await
        }
        Command::Info => {
            let session = Session::open(&global, Missing::Refuse, settings(None)?, out).await?;
            session.end(info::execute(&session).await).await
        }
        Command::Prepare => {
            let session = Session::open(&global, Missing::Create, settings(None)?, out).await?;
            session.end(prepare::execute(&session)).await
        }
        Command::Export(export) => {
            export::check(&export, out.json())?;
            let session = Session::open(&global, Missing::Refuse, settings(None)?, out).await?;
            session.end(export::execute(&session, &export).await).await
        }
        Command::Import(import) => import::execute(&global, &import, out).await,
        Command::Verify => verify::verify(&global, out).await,
        Command::Repair { dry_run } => verify::repair(&global, dry_run, out).await,
        Command::Compact => verify::compact(&global, out).await,
        Command::Completions { shell } => completions::execute(shell, out),
    }
}

async fn each(
    global: &Global,
    these: These,
    running: Option<&Running>,
    act: each::Act,
    out: Out,
) -> Result<Exit, Failure> {
    let named = named(these)?;
    let session = Session::open(global, Missing::Refuse, settings(running)?, out).await?;
    session.do_due().await;
    session.end(each::execute(&session, act, named).await).await
}

async fn program(global: &Global, command: Program, out: Out) -> Result<Exit, Failure> {
    let open = async || Session::open(global, Missing::Refuse, Settings::default(), out).await;
    match command {
        Program::Show(show) => {
            let session = open().await?;
            session.end(program::show(&session, &show).await).await
        }
        Program::Rm { names, yes, writing } => {
            let named = named::Named::new(names, writing.command_id.as_deref())?;
            let session = open().await?;
            session.end(program::remove(&session, named, yes).await).await
        }
        Program::History { name, limit } => {
            let session = open().await?;
            session.end(programs::history(&session, &name, limit).await).await
        }
    }
}

/// What a command that runs programs chooses, and the environment for all that are run.
fn settings(running: Option<&Running>) -> Result<Settings, Failure> {
    let mut settings = Settings { retention: retention()?, ..Settings::default() };
    let Some(running) = running else { return Ok(settings) };
    if let Some(most) = running.max_instructions {
        settings.execution_instructions = most;
    }
    settings.slice_instructions = running.save_every.unwrap_or(settings.slice_instructions);
    settings.slice_bytes = running.save_every_bytes.map_or(settings.slice_bytes, |size| size.as_u64().max(1));
    if let Some(level) = std::env::var_os(LOG_LEVEL).filter(|level| !level.is_empty()) {
        let level = level.to_string_lossy();
        let read = Level::from_str(&level, false);
        let wrong = |_| failure::usage(format!("{LOG_LEVEL} is `{level}`; it must be off, calls or instructions"));
        settings.log_level = read.map_err(wrong)?.into();
    }
    Ok(settings)
}

fn named(these: These) -> Result<named::Named, Failure> {
    named::Named::new(these.ids, these.writing.command_id.as_deref())
}

/// What was meant as the URL of a server, where the name of a file is taken: right or mistyped, it may hold a password, so it is not named as a
/// file would be.
fn meant_as_url(name: &Path) -> Option<&str> {
    let name = name.to_str()?;
    let mistyped = || name.starts_with("mongodb") && (name.contains('@') || name.contains("//"));
    (name.contains("://") || mistyped()).then_some(name)
}

/// Whether a path means standard input or output.
fn is_stdio(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn command_id(writing: &crate::args::Writing) -> Result<Option<CommandId>, Failure> {
    writing.command_id.as_deref().map(CommandId::new).transpose().map_err(Failure::from)
}

fn input_of(text: Option<&str>) -> Result<Option<Json>, Failure> {
    text.map(|text| json("--input", text)).transpose()
}

/// A JSON value that a flag was given.
fn json(flag: &str, text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(|error| {
        // Most texts that are no JSON are meant as text and lack its quotes.
        let place = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let shown: String = place.chars().take(120).collect();
        let caret = match error.column() {
            column @ 1..=120 => format!(
                "\n    {}^",
                " ".repeat(place.get(..column - 1).map_or(column - 1, |before| before.chars().count()))
            ),
            _ => String::new(),
        };
        failure::usage(format!("{flag} is not JSON: {error}\n    {shown}{caret}"))
    })
}
