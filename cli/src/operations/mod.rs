//! Commands of operations: built from the registry when the program starts, without a line of code for one of them.
//!
//! | file | contents |
//! |---|---|
//! | `schema.rs` | JSON Schemas, as far as a command line needs them |
//! | `arguments.rs` | positional arguments and flags from the schema of the parameters |
//! | `execution.rs` | calling the operation, for one target or several, and printing its result |
//! | `output.rs` | tables and lines from the schema of the result |
//! | `times.rs` | times as text |
//! | `faces.rs` | the commands that differ from what their declarations give |

pub mod arguments;
mod execution;
mod faces;
pub mod output;
pub mod schema;
pub mod times;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, CommandFactory};
use runstate::domain;
use runstate::engine::{ENGINE_OPERATIONS, Engine, Error};
use runstate::operation::{Domain, OperationKind, ParameterDeclaration, Registry, Signature};
use runstate::value::Document;
use serde_json::Value as Json;

use crate::args::{ActorArgs, Cli, RunArgs, WriteArgs};
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::session::Session;
use faces::Face;
use schema::ValueSchema;

pub struct OperationCommand {
    pub signature: &'static Signature,
    /// The words of the command. If a hand-written command has them, it is the command of the operation.
    pub words: String,
    face: Face,
    documentation: String,
    parameters: Json,
    result: Json,
}

/// All operations: of the engine and of the domains of this program.
pub fn signatures() -> impl Iterator<Item = &'static Signature> {
    signatures_of(crate::domains())
}

fn signatures_of(domains: &[&'static Domain]) -> impl Iterator<Item = &'static Signature> {
    let own = ENGINE_OPERATIONS.iter().map(|operation| &operation.signature);
    own.chain(domains.iter().flat_map(|domain| domain.operations).map(|operation| &operation.signature))
}

/// Checks these domains beside those of the library, and that each of their operations has a command of its own.
pub fn check_declarations(domains: &[&'static Domain]) -> Result<(), CliError> {
    if domains.is_empty() {
        return Ok(());
    }
    Registry::new(&[domain::ALL, domains].concat()).map_err(|refused| usage(refused.to_string()))?;
    let hand_written = Cli::command();
    let mut known: Vec<Vec<String>> = signatures_of(domain::ALL).filter_map(words_of).collect();
    for signature in domains.iter().flat_map(|domain| domain.operations).map(|operation| &operation.signature) {
        let Some(words) = words_of(signature) else { continue };
        let is_taken = words.first().is_none_or(|word| word == "help" || hand_written.find_subcommand(word).is_some())
            || known.iter().any(|other| other.starts_with(&words) || words.starts_with(other));
        if is_taken {
            let (name, words) = (signature.name, words.join(" "));
            let choose = "another command has these words; choose others: `#[operation(cli = \"…\")]`";
            return Err(usage(format!("the operation `{name}` cannot have the command `{words}`: {choose}")));
        }
        known.push(words);
    }
    Ok(())
}

pub fn takes_command_id(signature: &Signature) -> bool {
    signature.kind == OperationKind::Command
}

/// Adds the commands of all operations that have none.
pub fn add_commands(root: Command) -> Command {
    let has_none = |operation: &OperationCommand| find_command(&root, &operation.words()).is_none();
    let operations: Vec<_> = signatures().filter_map(OperationCommand::new).filter(has_none).collect();
    let root = operations.iter().fold(root, |root, one| add_at(root, &one.words(), one.command()));
    root.mut_subcommands(|group| describe_group(group, "runstate help"))
}

/// Describes a group of commands by their names, and each group in it.
fn describe_group(group: Command, help: &str) -> Command {
    let names = group.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", ");
    let (help, is_described) = (format!("{help} {}", group.get_name()), group.get_about().is_some());
    let group = group.mut_subcommands(|inner| describe_group(inner, &help));
    if is_described { group } else { group.about(names).after_help(format!("Example:\n  {help}")) }
}

/// The command line whose only command of an operation is the one that these words begin with; `None`: they begin with
/// none. Hundreds of commands with their schemas take longer to build than most commands take to run.
pub fn command_of(words: &[String]) -> Option<Command> {
    let operation = with_words(|command| words.starts_with(command))?;
    Some(add_at(Cli::command(), &operation.words(), operation.command()))
}

/// Returns the operation of the command that was given, and its arguments; `None`: it is a hand-written command.
pub fn find(mut matches: &ArgMatches) -> Option<(OperationCommand, &ArgMatches)> {
    let mut words = Vec::new();
    while let Some((word, inner)) = matches.subcommand() {
        words.push(word);
        matches = inner;
    }
    Some((with_words(|command| words == *command)?, matches))
}

/// The operation without a hand-written command whose words are these.
fn with_words(are_these: impl Fn(&[String]) -> bool) -> Option<OperationCommand> {
    let has_these = |signature: &&Signature| words_of(signature).is_some_and(|words| are_these(&words));
    let operation = OperationCommand::new(signatures().find(has_these)?)?;
    find_command(&Cli::command(), &operation.words()).is_none().then_some(operation)
}

fn words_of(signature: &Signature) -> Option<Vec<String>> {
    Some((signature.description?)().command_line.split(' ').map(str::to_owned).collect())
}

fn find_command<'a>(root: &'a Command, words: &[&str]) -> Option<&'a Command> {
    words.iter().try_fold(root, |command, word| command.find_subcommand(word))
}

/// Returns a result of an operation as JSON output shows it: with times as text.
pub fn json_result(operation: &str, mut result: Json) -> Result<Json, Error> {
    times::write_times(&mut result, named(operation)?.result_schema());
    Ok(result)
}

/// Calls an operation with times as text, in its parameters and in its result.
pub async fn call(engine: &Engine, operation: &str, mut parameters: Document) -> Result<Json, Error> {
    times::read_times(&mut parameters, ValueSchema::new(&named(operation)?.parameters))?;
    json_result(operation, engine.call(operation, parameters).await?)
}

/// Calls an operation as [`call`]; of a command, the first part alone.
pub async fn call_part(engine: &Engine, operation: &str, mut parameters: Document) -> Result<Json, Error> {
    times::read_times(&mut parameters, ValueSchema::new(&named(operation)?.parameters))?;
    json_result(operation, engine.call_part(operation, parameters).await?)
}

pub fn result_lines(session: &Session, operation: &str, result: &Json) -> Result<Vec<String>, CliError> {
    Ok(output::lines(result, named(operation)?.result_schema(), &[], execution::form(session)))
}

/// Prints the selected rows of an operation whose results are pages.
pub async fn print_pages(session: &Session, operation: &str, parameters: Document) -> Result<CliExit, CliError> {
    named(operation)?.print_pages(session, parameters).await
}

/// Replaces the operations that the end of a message names, after `; `, by other names of them.
pub fn rename_operations(message: &str, name: impl Fn(&OperationCommand) -> String) -> String {
    let Some((problem, hint)) = message.split_once("; ") else { return message.to_owned() };
    // The texts in backticks have the odd places.
    let parts = hint.split('`').enumerate().map(|(place, text)| match named(text) {
        Ok(operation) if place % 2 == 1 => name(&operation),
        _ => text.to_owned(),
    });
    format!("{problem}; {}", parts.collect::<Vec<_>>().join("`"))
}

fn named(operation: &str) -> Result<OperationCommand, Error> {
    let found = signatures().find(|signature| signature.name == operation).and_then(OperationCommand::new);
    found.ok_or_else(|| Error::internal(format!("`{operation}` is not an operation")))
}

fn add_at(parent: Command, words: &[&str], command: Command) -> Command {
    let (word, rest) = match words {
        [] | [_] => return parent.subcommand(command),
        [word, rest @ ..] => ((*word).to_owned(), rest),
    };
    if parent.find_subcommand(&word).is_some() {
        return parent.mut_subcommand(word, |group| add_at(group, rest, command));
    }
    let group = Command::new(word).subcommand_required(true).arg_required_else_help(true);
    parent.subcommand(add_at(group, rest, command))
}

impl OperationCommand {
    fn new(signature: &'static Signature) -> Option<Self> {
        let description = signature.description?();
        Some(Self {
            signature,
            words: description.command_line,
            face: faces::of_operation(signature.name),
            documentation: arguments::paragraphs(description.documentation),
            parameters: (description.parameters)().to_value(),
            result: (description.result)().to_value(),
        })
    }

    fn words(&self) -> Vec<&str> {
        self.words.split(' ').collect()
    }

    /// Whether it takes several targets: it changes one thing, and needs to know nothing else.
    fn takes_several(&self) -> bool {
        let required: Vec<_> = self.signature.parameters.iter().filter(|parameter| parameter.required).collect();
        takes_command_id(self.signature) && matches!(required.as_slice(), [only] if only.subject)
    }

    /// Whether its results are pages, which its command reads one after another.
    fn is_listing(&self) -> bool {
        self.result_schema().page_items().is_some()
    }

    fn arguments(&self) -> impl Iterator<Item = &'static ParameterDeclaration> {
        let is_listing = self.is_listing();
        self.signature.parameters.iter().filter(move |parameter| !(is_listing && parameter.name == "cursor"))
    }

    /// Whether it takes a name for the audit log of its domain.
    fn takes_actor(&self) -> bool {
        let is_audited = |domain: &&Domain| domain.audit.is_some() && domain.owns(self.signature.name);
        takes_command_id(self.signature)
            && crate::domains().iter().any(is_audited)
            && !self.signature.parameters.iter().any(|parameter| parameter.name == "actor")
    }

    /// The collection of the documents that a parameter names by their ids: a subject `id` of `domain.noun.verb` is in
    /// `domain.nouns`, a `nounId` too. `None`: the document may be new.
    fn id_collection(&self, parameter: &ParameterDeclaration) -> Option<String> {
        if self.signature.creates {
            return None;
        }
        let words: Vec<&str> = self.signature.name.split('.').collect();
        let noun = parameter.name.strip_suffix("Id").or_else(|| parameter.name.strip_suffix("Uuid"));
        Some(match (words.as_slice(), parameter.name) {
            (["cvm", ..], "id") if parameter.subject => "cvm.executions".to_owned(),
            (["cvm", ..], "execution") => "cvm.executions".to_owned(),
            (["cvm", ..], "call") => "cvm.cc_history".to_owned(),
            (["apps", "artifact", _], "id") if parameter.subject => "apps.execution_artifacts".to_owned(),
            ([domain, noun, _], "id" | "uuid") if parameter.subject => {
                format!("{domain}.{}s", schema::split_words(noun, '_'))
            }
            ([domain, ..], _) => format!("{domain}.{}s", schema::split_words(noun?, '_')),
            _ => return None,
        })
    }

    /// Whether the texts of a list are names, which commas join, and no sentences.
    fn splits(&self, parameter: &ParameterDeclaration) -> bool {
        !self.face.sentences.contains(&parameter.name)
    }

    fn parameter_schema(&self, name: &str) -> Option<ValueSchema<'_>> {
        ValueSchema::new(&self.parameters).property(name)
    }

    fn result_schema(&self) -> ValueSchema<'_> {
        ValueSchema::new(&self.result)
    }

    fn command(&self) -> Command {
        let name = self.words().pop().unwrap_or_default();
        let mut command = Command::new(name.to_owned())
            // A parameter may be a version.
            .disable_version_flag(true);
        for parameter in self.arguments() {
            let Some(schema) = self.parameter_schema(parameter.name) else { continue };
            let documentation = match parameter.name {
                "limit" if self.is_listing() => "At most this many rows",
                name => schema::documentation(&self.parameters, name),
            };
            let help = arguments::paragraphs(documentation);
            let several = parameter.subject && self.takes_several();
            let position = self.face.positional.contains(&parameter.name);
            let arg = arguments::declare(parameter, schema, &help, position, several, self.splits(parameter));
            let is_limit = parameter.name == "limit" && self.is_listing();
            command = command.arg(if is_limit { arg.value_parser(arguments::parse_limit) } else { arg });
        }
        if takes_command_id(self.signature) {
            command = WriteArgs::augment_args(command);
            if self.takes_actor() {
                command = ActorArgs::augment_args(command);
            }
        }
        if self.face.drives {
            command = RunArgs::augment_args(command);
        }
        if self.face.loss.is_some() {
            let yes = Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue);
            command = command.arg(yes.help("Do not ask for confirmation"));
        }
        // A group of arguments sets a description of its own.
        let about = arguments::sentence(&self.documentation);
        command.about(about).long_about(self.documentation.clone()).after_help(self.example())
    }

    fn example(&self) -> String {
        let kind = |name: &str| match self.parameter_schema(name).map(|schema| (schema.kind(), schema.items())) {
            // Each use of the flag is one element.
            Some((schema::ValueKind::List, Some(items))) if items.kind() == schema::ValueKind::Object => items.kind(),
            Some((kind, _)) => kind,
            None => schema::ValueKind::Any,
        };
        let required = self.signature.parameters.iter().filter(|parameter| parameter.required);
        let rest = match self.face.example {
            Some(example) => example.to_owned(),
            None => {
                let words = required.map(|parameter| arguments::example_value(parameter, &kind(parameter.name)));
                words.collect::<Vec<_>>().join(" ")
            }
        };
        format!("Example:\n  {}", format!("runstate {} {rest}", self.words).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use runstate::decision::Rejection;
    use runstate::operation::{Description, NoParameters, OperationDeclaration};

    use super::*;
    use crate::help;

    const fn operation(name: &'static str, description: fn() -> Description) -> OperationDeclaration {
        let signature = Signature {
            name,
            kind: OperationKind::Query,
            creates: false,
            parameters: &[],
            description: Some(description),
        };
        OperationDeclaration { signature, parse: |_| Err(Rejection::Usage(String::new())) }
    }

    #[test]
    fn a_domain_whose_operation_has_the_command_of_another_is_refused() {
        static LIST: OperationDeclaration =
            operation("a.list", || Description::new::<NoParameters, bool>("a.list", "", Some("list")));
        static GROUP: OperationDeclaration =
            operation("b.due", || Description::new::<NoParameters, bool>("b.due", "", Some("due run x")));
        static FREE: OperationDeclaration =
            operation("c.free", || Description::new::<NoParameters, bool>("c.free", "", Some("free")));
        static DOMAINS: [Domain; 3] = [
            Domain::new("a").operations(&[&LIST]),
            Domain::new("b").operations(&[&GROUP]),
            Domain::new("c").operations(&[&FREE]),
        ];
        let refusal = |domains: &[&'static Domain]| match check_declarations(domains) {
            Err(CliError::Error(error)) => error.message,
            other => format!("{other:?}"),
        };
        let refusals = [refusal(&[&DOMAINS[0]]), refusal(&[&DOMAINS[1]]), refusal(&[&DOMAINS[2], &DOMAINS[2]])];
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        the operation `a.list` cannot have the command `list`: another command has these words; choose others: `#[operation(cli = "…")]`
        the operation `b.due` cannot have the command `due run x`: another command has these words; choose others: `#[operation(cli = "…")]`
        the domain `c` is declared twice: by the domain `c` and by the domain `c`
        "#);
        assert!(check_declarations(&[&DOMAINS[2]]).is_ok());
    }

    #[test]
    fn every_operation_has_a_command() {
        let root = help::command();
        for signature in signatures() {
            let operation = OperationCommand::new(signature).unwrap();
            assert!(
                find_command(&root, &operation.words()).is_some(),
                "{} has no command `{}`",
                signature.name,
                operation.words
            );
        }
    }

    #[test]
    fn hints_name_commands() {
        let named = |message: &str| rename_operations(message, |operation| operation.words.clone());
        assert_eq!(
            named("machine `m` does not exist; `orchestration.machine.list` lists them"),
            "machine `m` does not exist; `sessions machine list` lists them"
        );
        assert_eq!(
            named("execution `cvm.list` does not exist; `cvm.list` lists them"),
            "execution `cvm.list` does not exist; `list` lists them"
        );
        assert_eq!(named("it is not declared; did you mean `a.b`?"), "it is not declared; did you mean `a.b`?");
    }
}
