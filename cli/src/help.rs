//! The help of the whole: commands in groups, which clap has only for flags. A new command gets its place here; a test finds those
//! that have none.

use clap::builder::Styles;
use clap::{Command, CommandFactory};
use unicode_width::UnicodeWidthStr;

use crate::args::Args;
use crate::table;

/// The groups, and their commands in the order shown.
const GROUPS: &[(&str, &[&str])] = &[
    ("Programs", &["run", "load", "programs", "program", "stats"]),
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
    ("Calls and workers", &["answer", "calls", "work", "tick"]),
    ("Stores", &["info", "health", "prepare", "export", "import", "sweep", "verify", "repair", "compact"]),
    ("This command line", &["completions", "help"]),
];

/// What clap says of the command that it adds by itself.
const HELP: &str = "Print this, or the help of a command";

/// The width of help that is not read at a terminal, and the most it takes of one.
const WIDTH: usize = 100;

/// The command line, with the help of the whole in groups.
pub fn command() -> Command {
    let command = Args::command();
    let groups = groups(&command, table::room().unwrap_or(WIDTH).min(WIDTH));
    let header = command.get_styles().get_header();
    let options = format!("{header}Options:{header:#}\n{{options}}{{after-help}}");
    command.help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{options}"))
}

fn groups(command: &Command, width: usize) -> String {
    let styles = command.get_styles();
    let margin = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or_default() + 4;
    GROUPS.iter().map(|(group, names)| one(command, styles, group, names, (margin, width))).collect()
}

fn one(command: &Command, styles: &Styles, group: &str, names: &[&str], (margin, width): (usize, usize)) -> String {
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = format!("{header}{group}:{header:#}\n");
    for name in names {
        let about = command.find_subcommand(name).and_then(Command::get_about);
        let about = about.map_or_else(|| HELP.to_owned(), ToString::to_string);
        let lines = wrapped(&about, width.saturating_sub(margin)).join(&format!("\n{}", " ".repeat(margin)));
        let beside = " ".repeat(margin - 2 - name.len());
        text += &format!("  {literal}{name}{literal:#}{beside}{lines}\n");
    }
    text + "\n"
}

/// `text` in lines of so many columns, as far as its words let it.
fn wrapped(text: &str, width: usize) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.sort_unstable();
        let command = Args::command();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_how() {
        let mut left: Vec<Command> = Args::command().get_subcommands().cloned().collect();
        while let Some(command) = left.pop() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} does not say what it does");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Example") && after.contains("  runstate "), "{name} has no example");
            left.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn what_is_long_goes_on_below_its_beginning() {
        let text = groups(&Args::command(), 48);
        let text = text.lines().map(plain).collect::<Vec<_>>();
        assert!(text.iter().all(|line| line.width() <= 48), "{text:#?}");
        assert!(text.iter().any(|line| line.starts_with("               ")), "{text:#?}");
    }

    /// Without what colours it.
    fn plain(line: &str) -> String {
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default().to_owned();
        first + &parts.filter_map(|part| part.split_once('m')).map(|(_, text)| text).collect::<String>()
    }
}
