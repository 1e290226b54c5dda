//! Colours: what part a text plays, and whether whoever reads it sees colours at all. The tables, lines and questions that are said go
//! through here; clap and the progress bar decide by the same words for themselves.

use std::ffi::OsString;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, ValueEnum};

use crate::print::visible;

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`
    #[default]
    Auto,
    /// Wherever people read it
    Always,
    /// Nowhere
    Never,
}

impl When {
    /// What a command line says that has not been parsed: its own help and its errors are said before it is.
    pub fn wanted(args: impl Iterator<Item = OsString>) -> Self {
        let words = args.skip(1).map_while(|arg| arg.into_string().ok()).take_while(|arg| arg != "--");
        let (mut when, mut named) = (Self::Auto, false);
        for word in words {
            let value = if named { Some(word.as_str()) } else { word.strip_prefix("--color=") };
            when = value.and_then(|value| Self::from_str(value, false).ok()).unwrap_or(when);
            named = word == "--color";
        }
        when
    }
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        }
    }
}

/// What part a text plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An execution runs.
    Running,
    /// It waits.
    Waiting,
    /// It rests.
    Paused,
    /// It came to its end.
    Complete,
    /// It failed, as commands do.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// What stands above or before others.
    Heading,
    /// What is asked.
    Strong,
    /// What may be overlooked.
    Faint,
}

impl Role {
    /// That of a status, as it stands on the wire; none of what no version of ours wrote.
    pub fn of(status: &str) -> Option<Self> {
        Some(match status {
            "running" => Role::Running,
            "waiting_cc" => Role::Waiting,
            "paused" => Role::Paused,
            "complete" => Role::Complete,
            "error" => Role::Failed,
            "cancelled" => Role::Cancelled,
            _ => return None,
        })
    }

    /// The sixteen colours that every terminal has, and that its owner chose.
    fn style(self) -> Style {
        match self {
            Role::Running => AnsiColor::Cyan.on_default(),
            Role::Waiting => AnsiColor::Yellow.on_default(),
            Role::Paused => AnsiColor::Blue.on_default(),
            Role::Complete => AnsiColor::Green.on_default(),
            Role::Failed => AnsiColor::Red.on_default().bold(),
            Role::Cancelled => AnsiColor::Magenta.on_default(),
            Role::Heading | Role::Strong => Style::new().bold(),
            Role::Faint => Style::new().dimmed(),
        }
    }
}

/// Whether one of the streams has colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For what is said on `stream`; never for programs (`json`).
    pub fn of(when: When, json: bool, stream: &impl IsTerminal) -> Self {
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => stream.is_terminal() && wished(|name| std::env::var_os(name)),
        };
        Self { on: on && !json }
    }

    /// `text` as its part looks. What would command a terminal is made visible first, so nothing that is painted can.
    pub fn text(self, role: Role, text: &str) -> String {
        let (text, style) = (visible(text), role.style());
        if self.on { format!("{style}{text}{style:#}") } else { text.into_owned() }
    }

    /// A status in its own colour.
    pub fn status(self, status: &str) -> String {
        Role::of(status).map_or_else(|| visible(status).into_owned(), |role| self.text(role, status))
    }
}

/// Whether the environment has nothing against colours.
fn wished(var: impl Fn(&str) -> Option<OsString>) -> bool {
    var("NO_COLOR").is_none_or(|value| value.is_empty()) && var("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
mod tests {
    use runstate::domain::cvm::Status;

    use super::*;

    #[test]
    fn every_status_has_a_colour_of_its_own() {
        let roles: Vec<Role> = Status::ALL.iter().filter_map(|status| Role::of(status)).collect();
        assert_eq!(roles.len(), Status::ALL.len());
        let styles: std::collections::HashSet<Style> = roles.into_iter().map(Role::style).collect();
        assert_eq!(styles.len(), Status::ALL.len());
    }

    #[test]
    fn the_environment_can_forbid_colours() {
        let wished = |set: &[(&str, &str)]| {
            wished(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value)))
        };
        assert!(wished(&[]));
        assert!(wished(&[("NO_COLOR", ""), ("TERM", "xterm")]));
        assert!(!wished(&[("NO_COLOR", "1")]));
        assert!(!wished(&[("TERM", "dumb")]));
    }

    #[test]
    fn what_is_painted_cannot_command_a_terminal() {
        let paint = Paint { on: true };
        assert_eq!(paint.text(Role::Strong, "a\u{1b}[0m"), "\u{1b}[1ma\\u{1b}[0m\u{1b}[0m");
        assert_eq!(Paint { on: false }.text(Role::Strong, "a"), "a");
        assert_eq!(paint.status("\u{7}"), r"\u{7}");
    }

    #[test]
    fn what_is_wanted_is_read_before_the_command_line_is() {
        let wanted = |line: &str| When::wanted(line.split(' ').map(OsString::from));
        assert_eq!(wanted("runstate list"), When::Auto);
        assert_eq!(wanted("runstate --color never list --wrong"), When::Never);
        assert_eq!(wanted("runstate list --color=always"), When::Always);
        assert_eq!(wanted("runstate load -- --color=always"), When::Auto);
        assert_eq!(wanted("runstate --color purple"), When::Auto);
    }
}
