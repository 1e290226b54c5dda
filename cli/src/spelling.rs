//! Commands that were typed with the words of earlier versions, without their domain, or with words that other programs
//! use: the error names the command.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words that a person may type, and the words of commands for them.
const OTHER_WORDS: [(&str, &str); 6] = [
    ("rm", "delete"),
    ("remove", "delete"),
    ("cvm", "runs"),
    ("session", "sessions"),
    ("orchestration", "sessions"),
    ("app", "apps"),
];

/// The words of a command line that is not parsed yet, without flags, and without the values of those that all commands
/// have.
pub fn typed_words(args: impl Iterator<Item = OsString>) -> Vec<String> {
    let args = args.skip(1).map_while(|arg| arg.into_string().ok()).take_while(|arg| arg != "--");
    let (mut words, mut is_value) = (Vec::new(), false);
    for arg in args {
        if !is_value && !arg.starts_with('-') {
            words.push(arg.clone());
        }
        is_value = arg == "--store" || arg == "--color";
    }
    words
}

/// Adds the commands that the words may mean to an error about a command that does not exist.
pub fn suggest(mut error: clap::Error, root: &Command, words: &[String]) -> clap::Error {
    if error.kind() == ErrorKind::InvalidSubcommand {
        let words: Vec<&str> = words.iter().map(String::as_str).skip_while(|word| *word == "help").collect();
        let meant = meant_commands(root, &words);
        if !meant.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
        }
    }
    error
}

/// The commands that the words may mean. Empty: it is a command, or none.
fn meant_commands(root: &Command, words: &[&str]) -> Vec<String> {
    let all = paths(root);
    let mut found = commands_with_end(&all, words, 1);
    found.retain(|path| !words.starts_with(path));
    if let ([_, noun @ ..], true) = (words, found.is_empty()) {
        // A noun whose domain is not a part of its command: `fleet budget list` is `budget list`.
        found = commands_with_end(&all, noun, 2);
    }
    found.iter().map(|path| path.join(" ")).collect()
}

/// The shortest commands that end with as many of the words as possible, and with `least` of them.
fn commands_with_end<'a>(all: &'a [Vec<&'a str>], words: &[&str], least: usize) -> Vec<&'a Vec<&'a str>> {
    let other = |word: &str| OTHER_WORDS.iter().find(|(typed, _)| *typed == word).map(|(_, word)| *word);
    let meant: Vec<&str> = words.iter().map(|word| other(word).unwrap_or(word)).collect();
    for length in (least..=words.len()).rev() {
        let mut found: Vec<&Vec<&str>> = all.iter().filter(|path| path.ends_with(&meant[..length])).collect();
        found.sort_by_key(|path| path.len());
        let Some(shortest) = found.first().map(|path| path.len()) else { continue };
        found.retain(|path| path.len() == shortest);
        return found;
    }
    Vec::new()
}

/// The words of all commands below one.
fn paths(command: &Command) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        all.push(vec![inner.get_name()]);
        all.extend(paths(inner).into_iter().map(|rest| [&[inner.get_name()][..], &rest].concat()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::help;

    #[test]
    fn other_spellings_name_the_command() {
        let root = help::command();
        let meant = |line: &str| meant_commands(&root, &line.split(' ').collect::<Vec<_>>()).join(", ");
        let lines = [
            "execution list",
            "fleet budget create p",
            "fleet reservation commit r",
            "fleet list",
            "session list",
            "task add",
            "app list",
            "project counts",
            "cleanup apps",
            "cvm claim",
            "artifact rm A1",
            "program rm",
            "rm r1",
            "heartbeat",
            "runs heartbeet",
            "nothing",
        ];
        insta::assert_snapshot!(lines.map(|line| format!("{line} [{}]", meant(line))).join("\n"), @"
        execution list [apps execution list]
        fleet budget create p [budget create]
        fleet reservation commit r [budget reservation commit]
        fleet list []
        session list [sessions list]
        task add [sessions task add]
        app list [apps list]
        project counts [sessions project counts]
        cleanup apps [sessions cleanup, apps cleanup]
        cvm claim [runs claim]
        artifact rm A1 [apps artifact delete]
        program rm [program delete]
        rm r1 [delete]
        heartbeat [runs heartbeat, sessions heartbeat]
        runs heartbeet []
        nothing []
        ");
    }

    #[test]
    fn flags_are_left_out_of_the_words() {
        let words = |line: &str| typed_words(line.split(' ').map(OsString::from)).join(" ");
        assert_eq!(words("runstate --store file:a execution --json list --color=never -- x"), "execution list");
        assert_eq!(words("runstate"), "");
    }
}
