//! Colors: the role of a text, and whether its reader gets colors. Tables, lines and questions are colored here; clap
//! and the progress bar follow the same rules by themselves.

use std::ffi::OsString;

use anstream::AutoStream;
use anstream::stream::RawStream;
use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, ValueEnum};

use crate::printer::escape_control;

/// Reads `--color` from a command line that is not parsed yet, because parsing it may print help or an error.
pub fn color_of_raw_args(args: impl Iterator<Item = OsString>) -> ColorChoice {
    let words = args.skip(1).map_while(|arg| arg.into_string().ok()).take_while(|arg| arg != "--");
    let (mut choice, mut is_value) = (ColorChoice::Auto, false);
    for word in words {
        let value = if is_value { Some(word.as_str()) } else { word.strip_prefix("--color=") };
        choice = value.and_then(|value| ColorChoice::from_str(value, false).ok()).unwrap_or(choice);
        is_value = word == "--color";
    }
    choice
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Running,
    Waiting,
    Paused,
    Complete,
    /// A failed execution, or the error of a command.
    Failed,
    Cancelled,
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

    /// Uses the sixteen colors that every terminal has and that its user chose.
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

/// Whether an output stream has colors.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    enabled: bool,
}

impl Paint {
    /// Decides for `stream`; never colored for programs (`json`).
    pub fn for_stream(choice: ColorChoice, json: bool, stream: &impl RawStream) -> Self {
        let enabled = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(stream) != anstream::ColorChoice::Never,
        };
        Self { enabled: enabled && !json }
    }

    /// Styles `text` by its role. Control characters are escaped first, so `text` cannot send commands to a terminal.
    pub fn text(self, role: Role, text: &str) -> String {
        let (text, style) = (escape_control(text), role.style());
        if self.enabled { format!("{style}{text}{style:#}") } else { text.into_owned() }
    }

    pub fn status(self, status: &str) -> String {
        Role::from_status(status).map_or_else(|| escape_control(status).into_owned(), |role| self.text(role, status))
    }
}

#[cfg(test)]
mod tests {
    use runstate::domain::cvm::Status;

    use super::*;

    #[test]
    fn every_status_has_a_color_of_its_own() {
        let roles: Vec<Role> = Status::ALL.iter().filter_map(|status| Role::from_status(status)).collect();
        assert_eq!(roles.len(), Status::ALL.len());
        let styles: std::collections::HashSet<Style> = roles.into_iter().map(Role::style).collect();
        assert_eq!(styles.len(), Status::ALL.len());
    }

    #[test]
    fn painted_text_has_its_control_characters_escaped() {
        let paint = Paint { enabled: true };
        assert_eq!(paint.text(Role::Strong, "a\u{1b}[0m"), "\u{1b}[1ma\\u{1b}[0m\u{1b}[0m");
        assert_eq!(Paint { enabled: false }.text(Role::Strong, "a"), "a");
        assert_eq!(paint.status("\u{7}"), r"\u{7}");
    }

    #[test]
    fn color_mode_is_read_before_arguments_are_parsed() {
        let mode = |line: &str| color_of_raw_args(line.split(' ').map(OsString::from));
        assert_eq!(mode("runstate list"), ColorChoice::Auto);
        assert_eq!(mode("runstate --color never list --wrong"), ColorChoice::Never);
        assert_eq!(mode("runstate list --color=always"), ColorChoice::Always);
        assert_eq!(mode("runstate load -- --color=always"), ColorChoice::Auto);
        assert_eq!(mode("runstate --color purple"), ColorChoice::Auto);
    }
}
