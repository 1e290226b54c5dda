//! One file a command, or two that belong together.

mod answer;
mod completions;
mod delete;
mod each;
mod export;
mod follow;
mod import;
mod info;
mod list;
mod load;
mod named;
mod next;
mod output;
mod resume;
mod run;
mod show;
mod start;
mod verify;

use std::path::Path;

use runstate::engine::open::Missing;
use runstate::id::CommandId;
use serde_json::Value as Json;

use crate::args::{Args, Command, Global, Running, These};
use crate::exit::Exit;
use crate::failure::{self, Failure};
use crate::print::Out;
use crate::session::Session;

/// Executes a command.
pub async fn execute(args: Args, out: Out) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    let open = async |missing, running: Option<&Running>| {
        Session::open(&global, missing, running.and_then(|running| running.max_instructions), out).await
    };
    match command {
        Command::Run { file, name, id, input, answers, writing, running } => {
            let load = crate::compile::program(&file, name.as_deref())?;
            let run =
                run::Run { load, id, input: input_of(input.as_deref())?, answers, command: command_id(&writing)? };
            let session = open(Missing::Create, Some(&running)).await?;
            session.end(run.execute(&session).await).await
        }
        Command::Load { file, name, writing } => {
            let load = crate::compile::program(&file, name.as_deref())?;
            let command = command_id(&writing)?;
            let session = open(Missing::Create, None).await?;
            session.end(load::execute(&session, &load, command.as_ref()).await).await
        }
        Command::Start { name, id, input, writing, running } => {
            let (input, command) = (input_of(input.as_deref())?, command_id(&writing)?);
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(start::execute(&session, name, id, input, command).await).await
        }
        Command::Next { id, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(next::execute(&session, &id, command).await).await
        }
        Command::Answer { id, call, answer, writing, running } => {
            let (value, command) = (answer::value(&answer)?, command_id(&writing)?);
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(answer::execute(&session, &id, call.as_deref(), value, command).await).await
        }
        Command::Resume { id, answers, writing, running } => {
            let command = command_id(&writing)?;
            let session = open(Missing::Refuse, Some(&running)).await?;
            session.end(resume::execute(&session, &id, answers.as_deref(), command).await).await
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
        Command::Show { id } => {
            let session = open(Missing::Refuse, None).await?;
            session.end(show::execute(&session, &id).await).await
        }
        Command::Output { id, follow } => {
            let session = open(Missing::Refuse, None).await?;
            session.end(output::execute(&session, &id, follow).await).await
        }
        Command::List { status, program, limit } => {
            let session = open(Missing::Refuse, None).await?;
            session.end(list::execute(&session, status, program, limit).await).await
        }
        Command::Info => {
            let session = open(Missing::Refuse, None).await?;
            session.end(info::execute(&session).await).await
        }
        Command::Export(export) => {
            export::check(&export, out.json())?;
            let session = open(Missing::Refuse, None).await?;
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
    let limit = running.and_then(|running| running.max_instructions);
    let session = Session::open(global, Missing::Refuse, limit, out).await?;
    session.end(each::execute(&session, act, named).await).await
}

fn named(these: These) -> Result<named::Named, Failure> {
    named::Named::new(these.ids, these.writing.command_id.as_deref())
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
