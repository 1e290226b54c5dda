//! The commands: each opens its store, runs, and closes the store. Each file has the commands on one subject.
//! `completions`, which prints a completion script for a shell, needs no store and is here.

#[cfg(not(all(feature = "age", feature = "object-store", feature = "webhook")))]
mod absent;
mod app_executions;
mod artifacts;
#[cfg(feature = "object-store")]
mod backup;
mod due;
#[cfg(all(feature = "age", feature = "object-store"))]
mod encrypted_backup;
#[cfg(feature = "age")]
mod encrypted_export;
mod executions;
mod info;
mod logs;
mod mirror;
mod output;
mod program;
mod questions;
mod roles;
mod run;
mod transfer;
mod verify;
#[cfg(feature = "webhook")]
mod webhooks;
mod work;

use std::path::Path;

use clap::ValueEnum;
use clap_complete::{Shell, generate};
use runstate::decision::EngineSettings;
use runstate::domain::apps::AppsSettings;
use runstate::domain::cvm::Load;
use runstate::domain::cvm::Settings;
use runstate::engine::{Error, LedgerSettings};
use runstate::id::CommandId;
use runstate::open::MissingStore;
use runstate::value::check_integers;
use serde_json::Value as Json;

use crate::args::{
    AppsCommand, ArtifactCommand, Cli, CliCommand, ExecutionCommand, LogLevelArg, ProgramCommand, RunArgs,
};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::mcp;
use crate::printer::Printer;
use crate::program_name::binary_name;
use crate::session::{self, Session, announce_older_store, retention};
use crate::time_format::duration_millis;
use crate::{error, help, input};
#[cfg(not(feature = "object-store"))]
use absent::backup;
#[cfg(all(feature = "object-store", not(feature = "age")))]
use absent::encrypted_backup;
#[cfg(not(feature = "age"))]
use absent::encrypted_export;
#[cfg(not(feature = "webhook"))]
use absent::webhooks;
pub use executions::frames_text;

/// The environment variable for the log level of executions that were started without one.
const LOG_LEVEL: &str = "RUNSTATE_LOG_LEVEL";

pub async fn execute(args: Cli, out: Printer) -> Result<CliExit, CliError> {
    let Cli { global, command } = args;
    if !matches!(command, Some(CliCommand::Import(_) | CliCommand::Completions { .. })) {
        announce_older_store(&global, out);
    }
    let Some(command) = command else { return questions::show_waiting(&global, out).await };
    let open = async |missing, running: Option<&RunArgs>| {
        let session = Session::open(&global, missing, settings(running)?, out).await?;
        session.run_due().await;
        Ok::<_, CliError>(session)
    };
    match command {
        CliCommand::Run { source, id, input, answering, starting, writing, running } => {
            let load = crate::compile::load_from_path(&source)?;
            let (input, command) = (parse_input(input.as_deref())?, command_id(&writing)?);
            let run = run::RunCommand { load, id, input, starting, answering, command };
            let session = open(MissingStore::Create, Some(&running)).await?;
            session.finish(run.execute(&session).await).await
        }
        CliCommand::Load { source, tag, description, id, writing } => {
            let load = crate::compile::load_from_path(&source)?;
            let load = Load { tags: (!tag.is_empty()).then_some(tag), description, id, ..load };
            let command = command_id(&writing)?;
            let session = open(MissingStore::Create, None).await?;
            session.finish(program::load_program(&session, &load, command.as_ref()).await).await
        }
        CliCommand::Start { name, id, input, starting, writing, running } => {
            let (input, command) = (parse_input(input.as_deref())?, command_id(&writing)?);
            let start = starting.start(name, id, input);
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(run::start_program(&session, start, command).await).await
        }
        CliCommand::Answer { id, call, answer, by, cost, writing, running } => {
            let (value, command) = (run::answer_value(&answer)?, command_id(&writing)?);
            let answer = run::AnswerCommand { call, value, by, cost, command };
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(answer.execute(&session, &id).await).await
        }
        CliCommand::Questions(questions) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(questions::list_questions(&session, questions).await).await
        }
        CliCommand::Resume { id, answering, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(MissingStore::Refuse, Some(&running)).await?;
            session.finish(run::resume_execution(&session, &id, &answering, command).await).await
        }
        CliCommand::Work(working) => {
            let owner = work::owner(&working);
            let actor = session::environment_actor().unwrap_or_else(|| owner.clone());
            let settings = EngineSettings::from(settings(Some(&working.running))?);
            let settings = settings.with(AppsSettings { actor, ..AppsSettings::default() });
            let session = Session::open(&global, MissingStore::Refuse, settings, out).await?;
            session.finish(work::run_worker(&session, *working, &owner).await).await
        }
        CliCommand::Tick { follow, running } => {
            let session = Session::open(&global, MissingStore::Refuse, settings(Some(&running))?, out).await?;
            session.finish(due::do_due_work(&session, follow).await).await
        }
        CliCommand::Sweep(sweeping) => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(due::sweep_store(&session, &sweeping).await).await
        }
        CliCommand::Show { id, full } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(executions::show_execution(&session, &id, full).await).await
        }
        CliCommand::Output { id, follow } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(output::print_output(&session, &id, follow).await).await
        }
        CliCommand::List(list) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(executions::list_executions(&session, list).await).await
        }
        CliCommand::Program { command: ProgramCommand::Show(show) } => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(program::show_program(&session, &show).await).await
        }
        CliCommand::Logs(logs) => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(logs::print_logs(&session, logs).await).await
        }
        CliCommand::Apps { command: AppsCommand::Artifact { command: ArtifactCommand::Put(put) } } => {
            let upload = artifacts::NewUpload::open(put)?;
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(upload.store(&session).await).await
        }
        CliCommand::Apps { command: AppsCommand::Artifact { command: ArtifactCommand::Get(get) } } => {
            artifacts::check_target(&get, out.is_json())?;
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(artifacts::get_artifact(&session, &get).await).await
        }
        CliCommand::Apps { command: AppsCommand::Artifact { command: ArtifactCommand::Collect(storage) } } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(artifacts::collect_artifacts(&session, &storage).await).await
        }
        CliCommand::Apps { command: AppsCommand::Execution { command: ExecutionCommand::Wait { id, timeout } } } => {
            let session = open(MissingStore::Refuse, None).await?;
            session.finish(app_executions::wait_for_execution(&session, &id, timeout).await).await
        }
        CliCommand::Health => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(info::check_health(&session).await).await
        }
        CliCommand::Info => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(info::show_info(&session).await).await
        }
        CliCommand::Prepare { ledger } => {
            let ledger = LedgerSettings { kept: ledger.map(duration_millis) };
            let settings = EngineSettings::from(settings(None)?).with(ledger);
            let session = Session::open(&global, MissingStore::Create, settings, out).await?;
            session.finish(info::report_prepared(&session).await).await
        }
        CliCommand::Roles => roles::print_roles(&global, out).await,
        CliCommand::Export(export) => {
            transfer::check_export_options(&export, global.store.as_deref(), out.is_json())?;
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(transfer::export_store(&session, &export).await).await
        }
        CliCommand::Import(import) => transfer::import_store(&global, &import, out).await,
        CliCommand::Backup(backup) => {
            let session = Session::open(&global, MissingStore::Refuse, settings(None)?, out).await?;
            session.finish(backup::back_up_store(&session, &backup).await).await
        }
        CliCommand::Restore(restore) => backup::restore_store(&global, &restore, out).await,
        CliCommand::Mirror(mirror) => mirror::mirror_store(&global, &mirror, out).await,
        CliCommand::Verify { artifacts } => verify::verify_store(&global, artifacts, out).await,
        CliCommand::Repair { dry_run } => verify::repair_store(&global, dry_run, out).await,
        CliCommand::Compact => verify::compact_store(&global, out).await,
        CliCommand::Mcp {
            read_only,
            domain: domains,
            all,
            allow_approvals: allows_approvals,
            allow_read,
            code,
            running,
        } => {
            let options = mcp::ToolOptions { read_only, all, domains, allows_approvals, allow_read };
            let session = Session::open(&global, MissingStore::Create, settings(Some(&running))?, out).await?;
            let served = match code.code {
                true => mcp::code::serve(&session, &code).await,
                false => mcp::serve(&session, options).await,
            };
            session.finish(served).await
        }
        CliCommand::Completions { shell } => print_completions(shell, out),
    }
}

/// Returns the settings of a command: its flags if it runs programs, and the environment.
pub fn settings(running: Option<&RunArgs>) -> Result<Settings, CliError> {
    let mut settings = Settings { retention: retention()?, ..Settings::default() };
    let Some(running) = running else { return Ok(settings) };
    if let Some(limit) = running.max_instructions {
        settings.execution_instructions = limit;
    }
    settings.slice_instructions = running.save_every.unwrap_or(settings.slice_instructions);
    settings.slice_bytes = running.save_every_bytes.map_or(settings.slice_bytes, |size| size.as_u64().max(1));
    if let Some(level) = std::env::var_os(LOG_LEVEL).filter(|level| !level.is_empty()) {
        let level = level.to_string_lossy();
        let parsed = LogLevelArg::from_str(&level, false);
        let invalid = |_| {
            error::usage(format!(
                "`{level}` in {LOG_LEVEL} is not a valid log level; set it to off, calls or instructions"
            ))
        };
        settings.log_level = parsed.map_err(invalid)?.into();
    }
    Ok(settings)
}

/// Returns `name` if it is the URL of a server instead of a file name. A mistyped URL counts too. It may hold a
/// password, so errors do not repeat it as a file name.
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
    text.map(|text| read_json("--input", text)).transpose()
}

/// Reads the JSON value of a flag: `@FILE` is the file with it, `-` standard input.
pub fn read_json(flag: &str, text: &str) -> Result<Json, CliError> {
    match text.strip_prefix('@') {
        Some("") => Err(error::usage(format!("{flag}: the name of the file is missing after `@`"))),
        Some(file) => parse_json(flag, &input::read_answer(Path::new(file))?),
        None if text == "-" => parse_json(flag, &input::read_answer(Path::new("-"))?),
        None => parse_json(flag, text),
    }
}

/// The beginnings of errors about a place where a value or a key begins, and no JSON does.
const NO_JSON_BEGINS: [&str; 3] = ["expected value", "expected ident", "key must be a string"];

/// Parses the JSON value of a flag. Editors on Windows write a byte order mark.
fn parse_json(flag: &str, text: &str) -> Result<Json, CliError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let json = serde_json::from_str(text).map_err(|error| {
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let excerpt: String = line.chars().take(120).collect();
        let caret = match error.column() {
            column @ 1..=120 => format!(
                "\n    {}^",
                " ".repeat(line.get(..column - 1).map_or(column - 1, |before| before.chars().count()))
            ),
            _ => String::new(),
        };
        let reason = error.to_string();
        let is_text = NO_JSON_BEGINS.iter().any(|beginning| reason.starts_with(beginning));
        let hint = if is_text { "; put text in double quotes" } else { "" };
        error::usage(format!("{flag} is not JSON: {reason}{hint}\n    {excerpt}{caret}"))
    })?;
    check_integers(text).map_err(|inexact| error::usage(format!("{flag} has a number that is {inexact}")))?;
    Ok(json)
}

/// Prints the script; for programs as one JSON string.
pub fn print_completions(shell: Shell, out: Printer) -> Result<CliExit, CliError> {
    // The generator panics if its reader has closed the pipe, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut help::command(), binary_name(), &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::internal(error.to_string()))?;
    if out.is_json() {
        out.value(&script.trim_end())?;
    } else {
        out.styled_lines(&[script.trim_end().to_owned()])?;
    }
    Ok(CliExit::Done)
}
