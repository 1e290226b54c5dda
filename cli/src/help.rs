//! The help of the whole program, with commands in groups: clap groups only flags. A hand-written command needs a place
//! in [`GROUPS`]; a test finds commands without one. The commands of domains are listed by `help DOMAIN`. Help texts
//! name only the stores that this build can open.

use clap::builder::Styles;
use clap::{ColorChoice, Command, CommandFactory};
use unicode_width::UnicodeWidthStr;

use crate::args::Cli;
use crate::exit::CliExit;
use crate::program_name::{BINARY_NAME, binary_name};
use crate::{operations, table};

/// The groups: the commands that the help describes, and others that it names. One without the former is in `help all`
/// only.
const GROUPS: &[(&str, &[&str], &[&str])] = &[
    ("Programs", &["run", "load"], &["programs", "program", "stats", "slowest"]),
    (
        "Runs",
        &["start", "resume", "list"],
        &["show", "next", "pause", "unpause", "cancel", "retry", "delete", "output", "logs", "variables"],
    ),
    ("Questions", &["questions", "answer", "work"], &["approve", "reject", "calls", "tick", "mcp"]),
    (
        "Stores",
        &["info", "export"],
        &[
            "import", "health", "prepare", "roles", "backup", "restore", "mirror", "sweep", "verify", "repair",
            "compact",
        ],
    ),
    ("This command line", &[], &["completions", "help"]),
];

/// The description of `help`, the command that clap adds.
const HELP_ABOUT: &str = "Print the help, that of a command, or `all`";

/// The width of help that is not printed on a terminal, and the largest width that it has on a terminal.
const WIDTH: usize = 100;

/// Returns the command line. Its help has the commands that most people need.
pub fn command() -> Command {
    with_groups("", |command, room| {
        let described = GROUPS.iter().filter(|(_, described, _)| !described.is_empty());
        let margin = described.clone().flat_map(|(_, described, _)| *described).map(|name| name.len()).max();
        let groups = described.map(|(group, described, others)| {
            let rows = described.iter().map(|name| (*name, about(command, name)));
            let text = format_group(command.get_styles(), group, rows, margin.unwrap_or_default(), room);
            format!("{text}{}\n", names(others.iter().copied(), room))
        });
        let (header, words) = (command.get_styles().get_header(), further(command).collect::<Vec<_>>().join("|"));
        let groups = groups.collect::<String>();
        format!("{groups}{header}More:{header:#} {} help {words}|all\n\n", binary_name())
    })
}

/// Returns the command line. Its help has every command, with examples and exit codes.
pub fn whole() -> Command {
    with_groups("{after-help}", |command, room| {
        let styles = command.get_styles();
        let all = || GROUPS.iter().map(|(group, described, others)| (group, described.iter().chain(*others)));
        let domains = || further(command).filter_map(|name| command.find_subcommand(name));
        let nouns = domains().flat_map(Command::get_subcommands).filter(|noun| noun.has_subcommands());
        let named = all().flat_map(|(_, names)| names).copied().chain(nouns.map(Command::get_name));
        let margin = named.map(str::len).max().unwrap_or_default();
        let groups = all().map(|(group, names)| {
            format_group(styles, group, names.map(|name| (*name, about(command, name))), margin, room) + "\n"
        });
        let domains = domains().map(|domain| {
            let (nouns, verbs): (Vec<_>, Vec<_>) = domain.get_subcommands().partition(|one| one.has_subcommands());
            let rows = nouns.into_iter().map(|noun| (noun.get_name(), about(domain, noun.get_name())));
            let text = format_group(styles, domain.get_name(), rows, margin, room);
            let verbs = verbs.into_iter().map(Command::get_name);
            format!("{text}{}\n", names(verbs, room))
        });
        groups.chain(domains).collect()
    })
}

/// Prints the help.
pub fn print(colors: ColorChoice) -> CliExit {
    if command().color(colors).print_help().is_ok() { CliExit::Done } else { CliExit::OutputClosed }
}

/// The command line whose help has these groups, and `end` after the options.
fn with_groups(end: &str, groups: impl FnOnce(&Command, usize) -> String) -> Command {
    let command = operations::add_commands(Cli::command());
    let groups = groups(&command, table::terminal_width().unwrap_or(WIDTH).min(WIDTH));
    let header = command.get_styles().get_header();
    let options = format!("{header}Options:{header:#}\n{{options}}{end}");
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{options}");
    name_program(command.help_template(template), binary_name())
}

/// Puts the name of another program into the help, and beside the version.
fn name_program(command: Command, name: &'static str) -> Command {
    fn rename_examples(command: Command, name: &'static str) -> Command {
        let examples = command.get_after_help().map(|examples| examples.to_string().replace("runstate", name));
        let command = command.mut_subcommands(|inner| rename_examples(inner, name));
        examples.into_iter().fold(command, Command::after_help)
    }
    match name {
        BINARY_NAME => command,
        _ => rename_examples(command, name).name(name).version(concat!("(runstate ", env!("CARGO_PKG_VERSION"), ")")),
    }
}

/// The first words of commands that are in no group: domains.
fn further(command: &Command) -> impl Iterator<Item = &str> {
    let is_grouped = |name: &&str| GROUPS.iter().any(|(_, a, b)| a.contains(name) || b.contains(name));
    command.get_subcommands().map(Command::get_name).filter(move |name| !is_grouped(name))
}

fn about(command: &Command, name: &str) -> String {
    let about = command.find_subcommand(name).map(|command| command.get_about().map(ToString::to_string));
    about.map_or_else(|| HELP_ABOUT.to_owned(), Option::unwrap_or_default)
}

/// A group of described commands, whose names have `margin` columns. A description that is too long is wrapped.
fn format_group<'a>(
    styles: &Styles,
    group: &str,
    rows: impl Iterator<Item = (&'a str, String)>,
    margin: usize,
    width: usize,
) -> String {
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = format!("{header}{group}:{header:#}\n");
    for (name, about) in rows {
        let lines = wrap(&about, width.saturating_sub(margin + 4)).join(&format!("\n{}", " ".repeat(margin + 4)));
        let padding = " ".repeat((margin + 2).saturating_sub(name.len()));
        text += &format!("  {literal}{name}{literal:#}{padding}{lines}\n");
    }
    text
}

/// Lines with the names of commands that are not described.
fn names<'a>(names: impl Iterator<Item = &'a str>, width: usize) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    match names.is_empty() {
        true => names,
        false => wrap(&names, width.saturating_sub(2)).iter().map(|line| format!("  {line}\n")).collect(),
    }
}

/// Breaks `text` into lines of at most `width` columns. A longer word gets a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= width => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` in a build with the feature, which `built` says.
fn with(built: bool, text: &'static str) -> &'static str {
    if built { text } else { "" }
}

pub fn store_help() -> String {
    let mongodb = with(cfg!(feature = "mongodb"), "`mongodb://HOST/DATABASE`, ");
    let postgres = with(cfg!(feature = "postgres"), "`postgres://HOST/DATABASE`, ");
    let uri = with(cfg!(feature = "mongodb"), "MONGODB_URI with CVM_STORAGE_TYPE=mongodb, ");
    format!(
        "The store: `file:DIR`, {mongodb}{postgres}or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, {uri}else \
         file:~/.runstate]"
    )
}

pub fn artifacts_help() -> String {
    let folders = with(cfg!(feature = "object-store"), ", `local:DIR`, `s3://BUCKET/PREFIX` with AWS_… variables");
    let gridfs = with(cfg!(feature = "mongodb"), ", `gridfs:`");
    let default = with(cfg!(feature = "mongodb"), "`gridfs:` for a store on MongoDB, else ");
    format!("Storage of the bytes: `chunks:` (in the store){folders}{gridfs} [default: {default}`chunks:`]")
}

/// The examples in the help of `prepare`.
pub fn prepare_help() -> String {
    let mongodb = with(cfg!(feature = "mongodb"), "\n  runstate prepare --store mongodb://host/app");
    let postgres = with(cfg!(feature = "postgres"), "\n  runstate prepare --store postgres://owner@host/app");
    format!("Examples:\n  runstate prepare --store file:data{mongodb}{postgres}")
}

pub const IMPORT_FROM_HELP: &str = if cfg!(feature = "mongodb") {
    "Source: a file (`-`: standard input), a folder, or mongodb://HOST/DATABASE, of the older CVM or with --domain of another program"
} else {
    "Source: a file (`-`: standard input) or a folder"
};

/// The examples and exit codes in the help of `import`.
pub fn import_help() -> String {
    let databases = "
  runstate --store file:new import 'mongodb://host/cvm'        its database
  runstate --store file:new import 'mongodb://host/ai_apps' --domain apps        the collections of another program";
    let databases = with(cfg!(feature = "mongodb"), databases);
    format!(
        "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate import ~/.cvm        a directory of the older CVM{databases}

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 the store has other data there, or a document is \
         not valid."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut grouped: Vec<&str> =
            GROUPS.iter().flat_map(|(_, described, others)| [*described, *others].concat()).collect();
        grouped.sort_unstable();
        let (hand_written, all) = (Cli::command(), super::command());
        for command in hand_written.get_subcommands() {
            let name = command.get_name();
            assert!(grouped.contains(&name) || name == "apps", "{name} is in no group");
        }
        for names in grouped.windows(2) {
            assert!(names[0] != names[1], "{} is in two groups", names[0]);
        }
        assert!(grouped.iter().all(|name| *name == "help" || all.find_subcommand(name).is_some()), "{grouped:?}");
        let domains: Vec<&str> = further(&all).collect();
        assert_eq!(domains, ["store", "due", "documents", "runs", "sessions", "apps", "budget", "fleet"]);
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_how() {
        let mut remaining: Vec<Command> = super::command().get_subcommands().cloned().collect();
        while let Some(command) = remaining.pop() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no description");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let program = format!("  {} ", binary_name());
            assert!(after.contains("Example") && after.contains(&program), "{name} has no example");
            remaining.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn long_descriptions_wrap_under_their_column() {
        let row = ("start", "Start a loaded program, and run it to its first question or its end".to_owned());
        let text = format_group(super::command().get_styles(), "Runs", [row].into_iter(), 9, 48);
        let text = text + &names(GROUPS[3].2.iter().copied(), 48);
        assert_eq!(
            text.lines().map(plain).collect::<Vec<_>>(),
            [
                "Runs:",
                "  start      Start a loaded program, and run it",
                "             to its first question or its end",
                "  import, health, prepare, roles, backup,",
                "  restore, mirror, sweep, verify, repair,",
                "  compact",
            ]
        );
    }

    /// Removes the color codes.
    fn plain(line: &str) -> String {
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        first + &parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text).collect::<String>()
    }
}
