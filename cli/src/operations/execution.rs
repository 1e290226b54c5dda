//! Executing the command of an operation: for one target or for several, each with a command id of its own.

use std::collections::HashSet;
use std::io::{self, IsTerminal};

use clap::{ArgMatches, FromArgMatches};
use runstate::decision::EngineSettings;
use runstate::domain::apps::AppsSettings;
use runstate::id::{CommandId, hex, sha256};
use runstate::open::MissingStore;
use runstate::value::Document;
use serde_json::{Value as Json, json};

use super::output::{DamagedRows, Form, lines};
use super::times::write_times;
use super::{OperationCommand, arguments, takes_command_id};
use crate::args::{GlobalArgs, RunArgs};
use crate::commands::settings;
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::interrupt::{self, Interrupt};
use crate::line_editor::confirm;
use crate::printer::{Printer, escape_control};
use crate::progress::Bar;
use crate::session::{Session, announce_older_store};
use crate::table::terminal_width;

/// The state after an interrupted deletion.
const INTERRUPTED_NOTE: &str = "what was deleted stays deleted; repeat the command to continue";

/// The largest number of targets in the confirmation question.
const MAX_TARGETS_SHOWN: usize = 5;

/// How many rows a terminal shows without `--limit`.
pub(super) const DEFAULT_ROWS: usize = 50;

/// Rows per page.
const PAGE_ROWS: usize = 500;

/// One call of an operation.
struct Target {
    /// The name and value of the subject, if the operation takes several.
    subject: Option<(&'static str, String)>,
    parameters: Document,
}

impl Target {
    fn id(&self) -> Option<&str> {
        self.subject.as_ref().map(|(_, id)| id.as_str())
    }
}

impl OperationCommand {
    pub async fn execute(&self, matches: &ArgMatches, global: &GlobalArgs, out: Printer) -> Result<CliExit, CliError> {
        let targets = self.targets(matches)?;
        announce_older_store(global, out);
        let running = if self.face.drives { RunArgs::from_arg_matches(matches).ok() } else { None };
        let missing = if self.signature.creates { MissingStore::Create } else { MissingStore::Refuse };
        let mut settings = EngineSettings::from(settings(running.as_ref())?);
        let actor = if self.takes_actor() { matches.get_one::<String>("actor") } else { None };
        if let Some(actor) = actor {
            settings = settings.with(AppsSettings { actor: actor.clone(), ..AppsSettings::default() });
        }
        let session = Session::open(global, missing, settings, out).await?;
        session.run_due().await;
        session.finish(self.run(&session, matches, targets).await).await
    }

    fn targets(&self, matches: &ArgMatches) -> Result<Vec<Target>, CliError> {
        let command = if takes_command_id(self.signature) { matches.get_one::<String>("command_id") } else { None };
        let mut parameters = Document::new();
        let subject = self.signature.parameters.iter().find(|parameter| parameter.subject && self.takes_several());
        for parameter in self.arguments() {
            let Some(schema) = self.parameter_schema(parameter.name) else { continue };
            if command.is_some() && arguments::is_relative_time(matches, parameter, schema) {
                let flag = arguments::flag(parameter);
                return Err(usage(format!(
                    "--{flag}: a repeat of a command id must have the same time: with --command-id, pass it as RFC 3339"
                )));
            }
            if let Some(value) = arguments::read(matches, parameter, schema, self.splits(parameter))? {
                parameters.insert(parameter.name.to_owned(), value);
            }
        }
        let subject = subject.and_then(|subject| Some((subject, self.parameter_schema(subject.name)?.kind())));
        let Some((subject, kind)) = subject else {
            parameters.extend(command.map(|id| ("commandId".to_owned(), Json::from(id.as_str()))));
            return Ok(vec![Target { subject: None, parameters }]);
        };
        let mut seen = HashSet::new();
        let named = matches.get_many::<String>(&arguments::flag(subject)).into_iter().flatten();
        let named: Vec<&String> = named.filter(|one| seen.insert(*one)).collect();
        let ids = derive_command_ids(command.map(String::as_str), &named)?;
        let target = |(one, id): (&&String, Option<CommandId>)| -> Result<Target, CliError> {
            let mut parameters = parameters.clone();
            parameters.insert(subject.name.to_owned(), arguments::read_value(subject, kind.clone(), one)?);
            parameters.extend(id.map(|id| ("commandId".to_owned(), Json::from(id.as_str()))));
            Ok(Target { subject: Some((subject.name, (*one).clone())), parameters })
        };
        named.iter().zip(ids).map(target).collect()
    }

    /// Replaces unique prefixes of ids by the ids.
    async fn complete_ids(&self, session: &Session, target: &mut Target) -> Result<(), CliError> {
        for parameter in self.signature.parameters {
            let typed = target.parameters.get(parameter.name).and_then(Json::as_str);
            let (Some(typed), Some(collection)) = (typed, self.id_collection(parameter)) else { continue };
            let id = session.full_id(&collection, typed).await?;
            if let Some((_, subject)) = target.subject.as_mut().filter(|(name, _)| *name == parameter.name) {
                subject.clone_from(&id);
            }
            target.parameters.insert(parameter.name.to_owned(), id.into());
        }
        Ok(())
    }

    async fn run(
        &self,
        session: &Session,
        matches: &ArgMatches,
        mut targets: Vec<Target>,
    ) -> Result<CliExit, CliError> {
        for target in &mut targets {
            self.complete_ids(session, target).await?;
        }
        if let Some(loss) = self.face.loss {
            if !matches.get_flag("yes") && io::stdin().is_terminal() && !self.confirm(session, &targets, loss).await? {
                session.out.remark("nothing was deleted");
                return Ok(CliExit::Rejected);
            }
            return interrupt::run_interruptible(INTERRUPTED_NOTE, self.run_each(session, &targets)).await;
        }
        match targets.pop() {
            Some(only) if targets.is_empty() => self.run_one(session, only).await,
            last => {
                targets.extend(last);
                self.run_each(session, &targets).await
            }
        }
    }

    /// Asks a person for confirmation.
    async fn confirm(&self, session: &Session, targets: &[Target], loss: &str) -> Result<bool, CliError> {
        let named: Vec<&str> = targets.iter().filter_map(Target::id).take(MAX_TARGETS_SHOWN).collect();
        let others = match targets.len() - named.len() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        confirm(session.out, &format!("Delete {}{others} permanently, {loss}?", named.join(", "))).await
    }

    /// Calls the operation once and prints its result.
    async fn run_one(&self, session: &Session, target: Target) -> Result<CliExit, CliError> {
        if let (true, Some((_, id))) = (self.face.drives, &target.subject) {
            let interrupt = Interrupt::watch(session);
            interrupt.set_driving(id, session.resume_command(id));
            let position = session.output_position(id).await?;
            self.call(session, &target).await?;
            return session.show_status(id, position).await;
        }
        if let Some((parameter, operation, subject)) = self.face.must_exist
            && let Some(id) = target.parameters.get(parameter)
        {
            session.engine.call(operation, Document::from_iter([(subject.to_owned(), id.clone())])).await?;
        }
        if self.is_listing() {
            return self.print_pages(session, target.parameters).await;
        }
        let result = self.call(session, &target).await?;
        self.print(session, &target, result)
    }

    /// Calls the operation for each target, and prints a line for each. A rejection does not stop the others.
    async fn run_each(&self, session: &Session, targets: &[Target]) -> Result<CliExit, CliError> {
        let interrupt = self.face.drives.then(|| Interrupt::watch(session));
        let bar = Bar::with_total(session.out, "working", targets.len());
        let kind = match self.signature.name.split('.').collect::<Vec<_>>().as_slice() {
            [_, noun, _] => noun,
            _ if self.words.contains(' ') => "program",
            _ => "execution",
        };
        let mut worst = CliExit::Done;
        for target in targets {
            let id = target.id().unwrap_or_default();
            if let Some(interrupt) = &interrupt {
                interrupt.set_driving(id, session.resume_command(id));
            }
            let exit = match self.call(session, target).await {
                Ok(_) if self.face.drives => session.print_line(id).await?,
                Ok(result) => bar.step(|| self.print(session, target, result))?,
                Err(failure) if targets.len() == 1 => {
                    bar.clear();
                    return Err(failure);
                }
                Err(failure) => bar.step(|| session.out.report_rejection(kind, id, failure))?,
            };
            worst = worst.most_severe(exit);
        }
        bar.clear();
        Ok(worst)
    }

    async fn call(&self, session: &Session, target: &Target) -> Result<Json, CliError> {
        let result = session.engine.call(self.signature.name, target.parameters.clone()).await.map_err(CliError::from);
        match (self.face.next_step, target.id()) {
            (Some((code, words)), Some(id)) => {
                result.map_err(|error| error.explain(code, || format!(". Next: {}", session.invocation(words, id, ""))))
            }
            _ => result,
        }
    }

    fn print(&self, session: &Session, target: &Target, mut result: Json) -> Result<CliExit, CliError> {
        let (out, schema) = (session.out, self.result_schema());
        if out.is_json() {
            write_times(&mut result, schema);
            match (&result, self.face.loss, &target.subject) {
                (Json::Array(rows), None, _) => out.values(rows)?,
                // A deletion has no result that says something to callers.
                (_, Some(_), Some((name, id))) => out.value(&json!({ *name: id, "deleted": true }))?,
                _ => out.value(&result)?,
            }
            return Ok(CliExit::Done);
        }
        if let Some(line) = self.face.line {
            out.styled_lines(&[fill(session, line, &result, &target.parameters)])?;
            return Ok(CliExit::Done);
        }
        if result.is_null() || result.as_array().is_some_and(Vec::is_empty) {
            out.remark("none");
            return Ok(CliExit::Done);
        }
        let form = form(session);
        let rows = match &mut result {
            Json::Array(rows) if form.room.is_some() && rows.len() > DEFAULT_ROWS => {
                let all = rows.len();
                rows.truncate(DEFAULT_ROWS);
                Some(all)
            }
            _ => None,
        };
        let lines = match self.face.text {
            Some(text) => text(&result),
            None => lines(&result, schema, self.face.columns, form),
        };
        out.styled_lines(&lines)?;
        if let Some(all) = rows {
            out.remark(&format!("showing the first {DEFAULT_ROWS} of {all}; use --json, or a pipe, for all"));
        }
        Ok(CliExit::Done)
    }

    /// The columns of a table, without the one that a positional argument determines.
    fn columns(&self, parameters: &Document) -> Vec<&'static str> {
        let given = self.face.positional.iter().filter(|name| parameters.contains_key(**name));
        let given: Vec<String> = given.map(|name| format!("{name}Id")).collect();
        let is_given =
            |column: &str| column.split(' ').next().is_some_and(|path| given.iter().any(|name| name == path));
        self.face.columns.iter().copied().filter(|column| !is_given(column)).collect()
    }

    /// Prints the selected rows of all pages, or as many as `limit` says. At a terminal without `limit`, the first ones
    /// are enough.
    pub(super) async fn print_pages(&self, session: &Session, mut parameters: Document) -> Result<CliExit, CliError> {
        let (out, form, columns) = (session.out, form(session), self.columns(&parameters));
        let limit = parameters.get("limit").and_then(Json::as_u64).and_then(|limit| usize::try_from(limit).ok());
        let shown = (limit.is_none() && form.room.is_some() && !out.is_json()).then_some(DEFAULT_ROWS);
        // One more than is shown, to detect whether there are more.
        let mut remaining = limit.or(shown.map(|shown| shown + 1)).unwrap_or(usize::MAX);
        let (mut found, mut damaged, mut more_damaged) = (Vec::new(), DamagedRows::default(), false);
        while remaining > 0 {
            parameters.insert("limit".to_owned(), remaining.min(PAGE_ROWS).into());
            let mut page = session.engine.call(self.signature.name, parameters.clone()).await?;
            if out.is_json() {
                write_times(&mut page, self.result_schema());
            }
            let Json::Array(rows) = page["items"].take() else { break };
            remaining = remaining.saturating_sub(rows.len());
            if out.is_json() {
                out.values(&rows)?
            } else {
                found.extend(rows)
            }
            for one in page["damaged"].as_array().into_iter().flatten() {
                let text = |name: &str| one[name].as_str().unwrap_or_default();
                damaged.report(out, text("id"), text("reason"));
            }
            more_damaged |= page["moreDamaged"] == true;
            match page["next"].take() {
                Json::Null => break,
                next => parameters.insert("cursor".to_owned(), next),
            };
        }
        if more_damaged {
            out.stderr_line("more documents cannot be read; `verify` reports all damage");
        }
        if out.is_json() {
            return Ok(damaged.exit());
        }
        let more = shown.filter(|shown| found.len() > *shown);
        found.truncate(more.unwrap_or(usize::MAX));
        if let (false, Some(schema)) = (found.is_empty(), self.result_schema().page_items()) {
            out.styled_lines(&super::output::table(&found, schema, &columns, form).lines(form.room, form.paint))?;
        } else {
            out.remark(self.face.empty);
        }
        if let Some(shown) = more {
            out.remark(&format!("showing the first {shown}; use --limit N for more"));
        }
        Ok(damaged.exit())
    }
}

pub(super) fn form(session: &Session) -> Form {
    let room = terminal_width();
    Form { paint: session.out.paint(), room, now: room.is_some().then(|| session.engine.now()) }
}

/// Replaces `{name}` by properties of the result, or by parameters.
fn fill(session: &Session, line: &str, result: &Json, parameters: &Document) -> String {
    let mut text = String::new();
    for (at, part) in line.split(['{', '}']).enumerate() {
        let value = || result.get(part).or_else(|| parameters.get(part)).and_then(Json::as_str).unwrap_or_default();
        match (at % 2, part) {
            (0, _) => text += part,
            (_, "status") => text += &session.out.paint().status(value()),
            _ => text += &escape_control(value()),
        }
    }
    text
}

/// For one target, the command id is `name`. For several, each id is derived from `name` and the target, so that the
/// command can be repeated with the targets in any order.
///
/// The ids are not [`CommandId::part`]s: commands that drive or delete an execution derive parts, and a part cannot
/// have parts.
fn derive_command_ids(name: Option<&str>, targets: &[&String]) -> Result<Vec<Option<CommandId>>, CliError> {
    let Some(name) = name else { return Ok(vec![None; targets.len()]) };
    let whole = CommandId::new(name)?;
    if targets.len() == 1 {
        return Ok(vec![Some(whole)]);
    }
    // It contains only a hash of the target, so a target of any length and form fits.
    let derived = |target: &&String| format!("{name}:{}", hex(&sha256(&[target.as_bytes()])[..8]));
    targets.iter().map(|target| Ok(Some(CommandId::new(&derived(target))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(targets: &[&str], name: &str) -> Result<Vec<String>, CliError> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let derived = derive_command_ids(Some(name), &targets.iter().collect::<Vec<_>>())?;
        Ok(derived.into_iter().flatten().map(|id| id.as_str().to_owned()).collect())
    }

    #[test]
    fn each_of_several_targets_gets_its_own_command_id_in_any_order() {
        assert_eq!(ids(&["a"], "c").unwrap(), ["c"]);
        let (forward, backward) = (ids(&["a", "b", "a/1"], "c").unwrap(), ids(&["a/1", "b", "a"], "c").unwrap());
        assert_eq!(forward, backward.into_iter().rev().collect::<Vec<_>>());
        assert!(forward[0].starts_with("c:"));
    }

    #[test]
    fn a_command_id_too_long_to_derive_from_is_refused_first() {
        assert!(ids(&["a", "b"], &"x".repeat(188)).is_err());
        assert!(ids(&["a", "b"], "job/1").is_err());
    }
}
