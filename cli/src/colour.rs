//! Colours: the role of a text, and whether its reader gets colours. Tables, lines and questions are coloured here; clap and the
//! progress bar follow the same rules by themselves.

use std::ffi::OsString;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, ValueEnum};

use crate::printer::escape_control;

/// When output has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColourMode {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`
    #[default]
    Auto,
    /// In all output for people
    Always,
    /// Never
    Never,
}

impl ColourMode {
    /// Reads the mode from a command line that is not parsed yet: its help and errors are printed before it is.
    pub fn from_raw_args(args: impl Iterator<Item = OsString>) -> Self {
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

impl From<ColourMode> for ColorChoice {
    fn from(when: ColourMode) -> Self {
        match when {
            ColourMode::Auto => ColorChoice::Auto,
            ColourMode::Always => ColorChoice::Always,
            ColourMode::Never => ColorChoice::Never,
        }
    }
}

/// The role of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An execution that runs.
    Running,
    /// An execution that waits.
    Waiting,
    /// A paused execution.
    Paused,
    /// A complete execution.
    Complete,
    /// A failed execution, or the error of a command.
    Failed,
    /// A cancelled execution.
    Cancelled,
    /// A heading or label.
    Heading,
    /// A question.
    Strong,
    /// A remark.
    Faint,
}

impl Role {
    /// Returns the role of a status by its wire name; `None` for a status that this version does not know.
    pub fn from_status(status: &str) -> Option<Self> {
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

    /// Uses the sixteen colours that every terminal has and that its user chose.
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

/// Whether an output stream has colours.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Decides for `stream`; never coloured for programs (`json`).
    pub fn for_stream(when: ColourMode, json: bool, stream: &impl IsTerminal) -> Self {
        let on = match when {
            ColourMode::Always => true,
            ColourMode::Never => false,
            ColourMode::Auto => stream.is_terminal() && allowed_by_environment(|name| std::env::var_os(name)),
        };
        Self { on: on && !json }
    }

    /// Styles `text` by its role. Control characters are escaped first, so `text` cannot send commands to a terminal.
    pub fn text(self, role: Role, text: &str) -> String {
        let (text, style) = (escape_control(text), role.style());
        if self.on { format!("{style}{text}{style:#}") } else { text.into_owned() }
    }

    /// Styles a status in its colour.
    pub fn status(self, status: &str) -> String {
        Role::from_status(status).map_or_else(|| escape_control(status).into_owned(), |role| self.text(role, status))
    }
}

/// Whether the environment allows colours.
fn allowed_by_environment(var: impl Fn(&str) -> Option<OsString>) -> bool {
    var("NO_COLOR").is_none_or(|value| value.is_empty()) && var("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
mod tests {
    use runstate::domain::cvm::Status;

    use super::*;

    #[test]
    fn every_status_has_a_colour_of_its_own() {
        let roles: Vec<Role> = Status::ALL.iter().filter_map(|status| Role::from_status(status)).collect();
        assert_eq!(roles.len(), Status::ALL.len());
        let styles: std::collections::HashSet<Style> = roles.into_iter().map(Role::style).collect();
        assert_eq!(styles.len(), Status::ALL.len());
    }

    #[test]
    fn the_environment_can_forbid_colours() {
        let allowed = |set: &[(&str, &str)]| {
            allowed_by_environment(|name| {
                set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value))
            })
        };
        assert!(allowed(&[]));
        assert!(allowed(&[("NO_COLOR", ""), ("TERM", "xterm")]));
        assert!(!allowed(&[("NO_COLOR", "1")]));
        assert!(!allowed(&[("TERM", "dumb")]));
    }

    #[test]
    fn painted_text_has_its_control_characters_escaped() {
        let paint = Paint { on: true };
        assert_eq!(paint.text(Role::Strong, "a\u{1b}[0m"), "\u{1b}[1ma\\u{1b}[0m\u{1b}[0m");
        assert_eq!(Paint { on: false }.text(Role::Strong, "a"), "a");
        assert_eq!(paint.status("\u{7}"), r"\u{7}");
    }

    #[test]
    fn colour_mode_is_read_before_arguments_are_parsed() {
        let mode = |line: &str| ColourMode::from_raw_args(line.split(' ').map(OsString::from));
        assert_eq!(mode("runstate list"), ColourMode::Auto);
        assert_eq!(mode("runstate --color never list --wrong"), ColourMode::Never);
        assert_eq!(mode("runstate list --color=always"), ColourMode::Always);
        assert_eq!(mode("runstate load -- --color=always"), ColourMode::Auto);
        assert_eq!(mode("runstate --color purple"), ColourMode::Auto);
    }
}
