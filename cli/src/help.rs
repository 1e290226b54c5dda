//! The help of the whole program, with commands in groups: clap groups only flags. A hand-written command needs a row
//! in
//! [`GROUPS`]; a test finds commands without one. Commands of operations that have none are listed at the end. Help texts name only the stores that this build can open.

use clap::builder::Styles;
use clap::{Command, CommandFactory};
use unicode_width::UnicodeWidthStr;

use crate::args::Cli;
use crate::program_name::{BINARY_NAME, binary_name};
use crate::{operations, table};

/// The groups, and their commands in the order of the help.
const GROUPS: &[(&str, &[&str])] = &[
    ("Programs", &["run", "load", "programs", "program", "stats", "slowest"]),
    (
        "Executions",
        &[
            "start",
            "next",
            "resume",
            "list",
            "show",
            "variables",
            "output",
            "logs",
            "pause",
            "unpause",
            "cancel",
            "retry",
            "delete",
        ],
    ),
    ("Calls and workers", &["answer", "calls", "work", "tick", "mcp"]),
    ("Apps", &["artifact", "execution"]),
    (
        "Stores",
        &[
            "info", "health", "prepare", "roles", "export", "import", "backup", "restore", "mirror", "sweep", "verify",
            "repair", "compact",
        ],
    ),
    ("This command line", &["completions", "help"]),
];

/// The description of `help`, the command that clap adds.
const HELP_ABOUT: &str = "Print this help, or the help of a command";

/// The width of help that is not printed on a terminal, and the largest width that it has on a terminal.
const WIDTH: usize = 100;

/// Returns the command line, with grouped commands in its help.
pub fn command() -> Command {
    let command = operations::add_commands(Cli::command());
    let groups = format_groups(&command, table::terminal_width().unwrap_or(WIDTH).min(WIDTH));
    let header = command.get_styles().get_header();
    let options = format!("{header}Options:{header:#}\n{{options}}{{after-help}}");
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{options}");
    name_program(command.help_template(template), binary_name())
}

/// Puts the name of another program into the examples, and beside the version.
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

/// Whether a command of this name is in a group of its own subject, not among the further operations.
pub fn is_grouped(name: &str) -> bool {
    GROUPS.iter().any(|(_, names)| names.contains(&name))
}

fn format_groups(command: &Command, width: usize) -> String {
    let styles = command.get_styles();
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    // The groups of operations, one for each noun. Their text names the verbs.
    let further: Vec<&str> =
        command.get_subcommands().map(Command::get_name).filter(|name| !is_grouped(name)).collect();
    let margin = grouped.iter().chain(&further).map(|name| name.len()).max().unwrap_or_default() + 4;
    let groups = GROUPS.iter().copied().chain([("Further operations", further.as_slice())]);
    groups.map(|(group, names)| format_group(command, styles, group, names, (margin, width))).collect()
}

fn format_group(
    command: &Command,
    styles: &Styles,
    group: &str,
    names: &[&str],
    (margin, width): (usize, usize),
) -> String {
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = format!("{header}{group}:{header:#}\n");
    for name in names {
        let about = command.find_subcommand(name).map(|command| match is_grouped(name) {
            true => command.get_about().map(ToString::to_string).unwrap_or_default(),
            false => command.get_subcommands().map(Command::get_name).collect::<Vec<_>>().join(", "),
        });
        let about = about.unwrap_or_else(|| HELP_ABOUT.to_owned());
        let lines = wrap(&about, width.saturating_sub(margin)).join(&format!("\n{}", " ".repeat(margin)));
        let padding = " ".repeat(margin - 2 - name.len());
        text += &format!("  {literal}{name}{literal:#}{padding}{lines}\n");
    }
    text + "\n"
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

pub const STORE_HELP: &str = match (cfg!(feature = "mongodb"), cfg!(feature = "postgres")) {
    (true, true) => {
        "The store: `file:DIR`, `mongodb://HOST/DATABASE`, `postgres://HOST/DATABASE` or `memory:` [default: RUNSTATE_STORE, \
         CVM_DATA_DIR, MONGODB_URI with CVM_STORAGE_TYPE=mongodb, else file:~/.cvm, the folder of the older CVM]"
    }
    (true, false) => {
        "The store: `file:DIR`, `mongodb://HOST/DATABASE` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, \
         MONGODB_URI with CVM_STORAGE_TYPE=mongodb, else file:~/.cvm, the folder of the older CVM]"
    }
    (false, true) => {
        "The store: `file:DIR`, `postgres://HOST/DATABASE` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, else \
         file:~/.cvm, the folder of the older CVM]"
    }
    (false, false) => {
        "The store: `file:DIR` or `memory:` [default: RUNSTATE_STORE, CVM_DATA_DIR, else file:~/.cvm, the folder of \
         the older CVM]"
    }
};

pub const ARTIFACTS_HELP: &str = match (cfg!(feature = "object-store"), cfg!(feature = "mongodb")) {
    (true, true) => {
        "Storage of the bytes: `chunks:` (in the store), `local:DIR`, `s3://BUCKET/PREFIX` with AWS_… variables, or \
         `gridfs:` [default: `gridfs:` for a store on MongoDB, else `chunks:`]"
    }
    (true, false) => {
        "Storage of the bytes: `chunks:` (in the store), `local:DIR`, or `s3://BUCKET/PREFIX` with AWS_… variables \
         [default: `chunks:`]"
    }
    (false, true) => {
        "Storage of the bytes: `chunks:` (in the store) or `gridfs:` [default: `gridfs:` for a store on MongoDB, else \
         `chunks:`]"
    }
    (false, false) => "Storage of the bytes: `chunks:` (in the store) [default: `chunks:`]",
};

/// The examples in the help of `prepare`.
pub const PREPARE_HELP: &str = match (cfg!(feature = "mongodb"), cfg!(feature = "postgres")) {
    (true, true) => {
        "Examples:\n  runstate prepare --store file:data\n  runstate prepare --store mongodb://host/app\n  \
         runstate prepare --store postgres://owner@host/app"
    }
    (true, false) => "Examples:\n  runstate prepare --store file:data\n  runstate prepare --store mongodb://host/app",
    (false, true) => {
        "Examples:\n  runstate prepare --store file:data\n  runstate prepare --store postgres://owner@host/app"
    }
    (false, false) => "Example:\n  runstate prepare --store file:data",
};

pub const IMPORT_FROM_HELP: &str = if cfg!(feature = "mongodb") {
    "Source: a file (`-`: standard input), a folder, or mongodb://HOST/DATABASE, of the older CVM or with --domain of another program"
} else {
    "Source: a file (`-`: standard input) or a folder"
};

/// The examples and exit codes in the help of `import`.
pub const IMPORT_HELP: &str = if cfg!(feature = "mongodb") {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM
  runstate --store file:new import 'mongodb://host/cvm'        its database
  runstate --store file:new import 'mongodb://host/ai_apps' --domain apps        the collections of another program

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 the store has other data there, or a document is not valid."
} else {
    "\
Examples:
  runstate --store file:new import backup.jsonl
  runstate --store file:new import --tree backup
  runstate --store file:new import ~/.cvm        a directory of the older CVM

Exit codes: 4 the export is damaged, cut off or of a newer version, 5 the store has other data there."
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.sort_unstable();
        let (hand_written, all) = (Cli::command(), super::command());
        for name in hand_written.get_subcommands().map(Command::get_name) {
            assert!(grouped.contains(&name), "{name} is in no group");
        }
        for names in grouped.windows(2) {
            assert!(names[0] != names[1], "{} is in two groups", names[0]);
        }
        assert!(grouped.iter().all(|name| *name == "help" || all.find_subcommand(name).is_some()), "{grouped:?}");
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
        let text = format_groups(&super::command(), 48);
        let text = text.lines().map(plain).collect::<Vec<_>>();
        assert!(text.iter().all(|line| line.width() <= 48), "{text:#?}");
        assert!(text.iter().any(|line| line.starts_with("               ")), "{text:#?}");
    }

    /// Removes the color codes.
    fn plain(line: &str) -> String {
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        first + &parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text).collect::<String>()
    }
}
