//! The commands, one or two in each file.

mod answer;
mod bulk;
mod calls;
mod completions;
mod delete;
mod export;
mod follow;
mod health;
mod import;
mod info;
mod list;
mod load;
mod logs;
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
mod target;
mod tick;
mod variables;
mod verify;
mod work;

use std::path::Path;

use clap::ValueEnum;
use runstate::domain::cvm::Load;
use runstate::engine::open::MissingStore;
use runstate::id::CommandId;
use runstate::limits::Settings;
use serde_json::Value as Json;

use crate::args::{BulkArgs, Cli, CliCommand, GlobalArgs, LogLevelArg, ProgramCommand, RunArgs};
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::printer::Printer;
use crate::session::{Session, retention};

/// The environment variable for the log level of executions that were started without one.
const LOG_LEVEL: &str = "RUNSTATE_LOG_LEVEL";

/// Executes a command.
pub async fn execute(args: Cli, out: Printer) -> Result<CliExit, CliError> {
    let Cli { global, command } = args;
    let open = async |missing, running: Option<&RunArgs>| {
        let session = Session::open(&global, missing, settings(running)?, out).await?;
        session.run_due().await;
        Ok::<_, CliError>(session)
    };
    match command {
        CliCommand::Run { file, name, id, input, answering, starting, writing, running } => {
            let load = crate::compile::load_from_file(&file, name.as_deref())?;
            let (input, command) = (parse_input(input.as_deref())?, command_id(&writing)?);
            let run = run::RunCommand { load, id, input, starting, answering, command };
            let session = open(MissingStore::Create, Some(&running)).await?;
            session.finish(run.execute(&session).await).await
        }
        CliCommand::Load { file, name, tag, description, id, writing } => {
            let load = crate::compile::load_from_file(&file, name.as_deref())?;
            let load = Load { tags: (!tag.is_empty()).then_some(tag), description, id, ..load };
            let command = command_id(&writing)?;
            let session = open(MissingStore::Create, None).await?;
            session.finish(load::load_program(&session, &load, command.as_ref()).await).await
        }
        CliCommand::Start { name, id, input, starting, writing, running } => {
            let (input, command) = (parse_input(input.as_deref())?, command_id(&writing)?);
            let start = starting.start(name, id, input);
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(start::execute(&session, start, command).await).await
        }
        CliCommand::Next { id, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(next::next(&session, &id, command).await).await
        }
        CliCommand::Answer { id, call, answer, by, writing, running } => {
            let (value, command) = (answer::answer_value(&answer)?, command_id(&writing)?);
            let answer = answer::AnswerCommand { call, value, by, command };
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(answer.execute(&session, &id).await).await
        }
        CliCommand::Resume { id, answering, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(resume::resume(&session, &id, &answering, command).await).await
        }
        CliCommand::Work(working) => {
            let session = Session::open(&global, MissingStore::Refuse, settings(Some(&working.running))?, out).await?;
            session.finish(work::execute(&session, *working).await).await
        }
        CliCommand::Tick { follow, running } => {
            let session = Session::open(&global, MissingStore::Refuse, settings(Some(&running))?, out).await?;
            session.finish(tick::execute(&session, follow).await).await
        }
        CliCommand::Sweep(sweeping) => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(sweep::execute(&session, &sweeping).await).await
        }
        CliCommand::Pause(these) => run_bulk(&global, these, None, bulk::BulkAction::Pause, out).await,
        CliCommand::Unpause { targets: these, running } => {
            run_bulk(&global, these, Some(&running), bulk::BulkAction::Unpause, out).await
        }
        CliCommand::Cancel(these) => run_bulk(&global, these, None, bulk::BulkAction::Cancel, out).await,
        CliCommand::Retry { targets: these, running } => {
            run_bulk(&global, these, Some(&running), bulk::BulkAction::Retry, out).await
        }
        CliCommand::Delete { targets: these, yes } => {
            let named = parse_targets(these)?;
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(delete::execute(&session, named, yes).await).await
        }
        CliCommand::Show { id, full } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(show::execute(&session, &id, full).await).await
        }
        CliCommand::Variables(variables) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(variables::show_variables(&session, &variables).await).await
        }
        CliCommand::Output { id, follow } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(output::execute(&session, &id, follow).await).await
        }
        CliCommand::List(list) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(list::execute(&session, list).await).await
        }
        CliCommand::Programs(programs) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(programs::execute(&session, programs).await).await
        }
        CliCommand::Program { command } => run_program_command(&global, command, out).await,
        CliCommand::Calls(calls) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(calls::execute(&session, calls).await).await
        }
        CliCommand::Logs(logs) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(logs::execute(&session, logs).await).await
        }
        CliCommand::Stats(stats) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(stats::execute(&session, stats.program.as_deref()).await).await
        }
        CliCommand::Health => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(health::health(&session).await).await
        }
        CliCommand::Info => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(info::execute(&session).await).await
        }
        CliCommand::Prepare => {
            let session = Session::open(&global, MissingStore::Create, settings(None)?, out).await?;
            session.finish(prepare::prepare(&session)).await
        }
        CliCommand::Export(export) => {
            export::check(&export, global.store.as_deref(), out.is_json())?;
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(export::execute(&session, &export).await).await
        }
        CliCommand::Import(import) => import::execute(&global, &import, out).await,
        CliCommand::Verify => verify::verify(&global, out).await,
        CliCommand::Repair { dry_run } => verify::repair(&global, dry_run, out).await,
        CliCommand::Compact => verify::compact(&global, out).await,
        CliCommand::Completions { shell } => completions::print_completions(shell, out),
    }
}

async fn run_bulk(
    global: &GlobalArgs,
    these: BulkArgs,
    running: Option<&RunArgs>,
    act: bulk::BulkAction,
    out: Printer,
) -> Result<CliExit, CliError> {
    let named = parse_targets(these)?;
    let session = Session::open(global, MissingStore::Refuse, settings(running)?, out).await?;
    session.run_due().await;
    session.finish(bulk::execute(&session, act, named).await).await
}

async fn run_program_command(global: &GlobalArgs, command: ProgramCommand, out: Printer) -> Result<CliExit, CliError> {
    let open = async || Session::open(global, MissingStore::Refuse, Settings::default(), out).await;
    match command {
        ProgramCommand::Show(show) => {
            let session = open().await?;
            session.finish(program::show(&session, &show).await).await
        }
        ProgramCommand::Rm { names, yes, writing } => {
            let named = target::Targets::new(names, writing.command_id.as_deref())?;
            let session = open().await?;
            session.finish(program::remove(&session, named, yes).await).await
        }
        ProgramCommand::History { name, limit } => {
            let session = open().await?;
            session.finish(programs::history(&session, &name, limit).await).await
        }
    }
}

/// Returns the settings of a command: its flags if it runs programs, and the environment.
fn settings(running: Option<&RunArgs>) -> Result<Settings, CliError> {
    let mut settings = Settings { retention: retention()?, ..Settings::default() };
    let Some(running) = running else { return Ok(settings) };
    if let Some(most) = running.max_instructions {
        settings.execution_instructions = most;
    }
    settings.slice_instructions = running.save_every.unwrap_or(settings.slice_instructions);
    settings.slice_bytes = running.save_every_bytes.map_or(settings.slice_bytes, |size| size.as_u64().max(1));
    if let Some(level) = std::env::var_os(LOG_LEVEL).filter(|level| !level.is_empty()) {
        let level = level.to_string_lossy();
        let read = LogLevelArg::from_str(&level, false);
        let wrong = |_| error::usage(format!("{LOG_LEVEL} is `{level}`; it must be off, calls or instructions"));
        settings.log_level = read.map_err(wrong)?.into();
    }
    Ok(settings)
}

fn parse_targets(these: BulkArgs) -> Result<target::Targets, CliError> {
    target::Targets::new(these.ids, these.writing.command_id.as_deref())
}

/// Returns `name` if it is meant as the URL of a server, in place of a file name. A mistyped URL counts too. The URL may hold a password, so
/// errors must not repeat it as a file name.
fn as_server_url(name: &Path) -> Option<&str> {
    let name = name.to_str()?;
    let mistyped = || name.starts_with("mongodb") && (name.contains('@') || name.contains("//"));
    (name.contains("://") || mistyped()).then_some(name)
}

/// Whether a path is `-`, for standard input or output.
fn is_stdio(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn command_id(writing: &crate::args::WriteArgs) -> Result<Option<CommandId>, CliError> {
    writing.command_id.as_deref().map(CommandId::new).transpose().map_err(CliError::from)
}

fn parse_input(text: Option<&str>) -> Result<Option<Json>, CliError> {
    text.map(|text| parse_json("--input", text)).transpose()
}

/// Parses the JSON value of a flag.
fn parse_json(flag: &str, text: &str) -> Result<Json, CliError> {
    serde_json::from_str(text).map_err(|error| {
        // Most texts that are not JSON are plain text without its quotes.
        let place = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let shown: String = place.chars().take(120).collect();
        let caret = match error.column() {
            column @ 1..=120 => format!(
                "\n    {}^",
                " ".repeat(place.get(..column - 1).map_or(column - 1, |before| before.chars().count()))
            ),
            _ => String::new(),
        };
        error::usage(format!("{flag} is not JSON: {error}\n    {shown}{caret}"))
    })
}
