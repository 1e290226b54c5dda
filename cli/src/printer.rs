//! Printing: results go to standard output, remarks for people to standard error. With `--json`, standard output holds
//! one JSON value per line and nothing else, errors included.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use clap::ColorChoice;
use runstate::domain::cvm::CallView;
use runstate::engine::{Host, SystemHost};
use runstate::lang::{Diagnostic, DiagnosticKind};
use serde::Serialize;
use serde_json::json;

use crate::color::{Paint, Role};
use crate::error::{CliError, io as io_failure};
use crate::exit::CliExit;
use crate::prompt;
use crate::redaction::redact;

/// Prints results, remarks and errors.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    json: bool,
    stdout: Paint,
    stderr: Paint,
}

impl Printer {
    /// Creates a printer for programs (`json`) or for people.
    pub fn new(json: bool, colors: ColorChoice) -> Self {
        let (stdout, stderr) =
            (Paint::for_stream(colors, json, &io::stdout()), Paint::for_stream(colors, json, &io::stderr()));
        Self { json, stdout, stderr }
    }

    /// Whether programs read the output.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Returns the colors of standard output.
    pub fn paint(self) -> Paint {
        self.stdout
    }

    /// Prints one JSON value on its own line.
    pub fn value(self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|e| io_failure("the result cannot be written", &e.into()))?;
        write(Stream::Stdout, &[&text, "\n"])
    }

    /// Prints several JSON values in one write.
    pub fn values(self, values: &[impl Serialize]) -> Result<(), CliError> {
        let texts: Result<Vec<String>, _> = values.iter().map(|v| serde_json::to_string(v).map(|v| v + "\n")).collect();
        let texts = texts.map_err(|e| io_failure("the result cannot be written", &e.into()))?;
        write(Stream::Stdout, &[&texts.concat()])
    }

    pub fn line(self, text: &str) -> Result<(), CliError> {
        write(Stream::Stdout, &[&escape_control(text), "\n"])
    }

    /// Prints several lines for people in one write.
    pub fn lines(self, lines: &[String]) -> Result<(), CliError> {
        if lines.is_empty() {
            return Ok(());
        }
        write(Stream::Stdout, &[&escape_control(&lines.join("\n")), "\n"])
    }

    /// Prints several lines in one write. Their texts went through [`Paint`] or a
    /// [`TextTable`](crate::table::TextTable).
    pub fn styled_lines(self, lines: &[String]) -> Result<(), CliError> {
        if lines.is_empty() {
            return Ok(());
        }
        write(Stream::Stdout, &[&lines.join("\n"), "\n"])
    }

    /// Prints the warnings of the compiler as remarks.
    pub fn warnings(self, warnings: &[String]) {
        for warning in warnings {
            self.remark(&format!("warning: {warning}"));
        }
    }

    /// Prints a remark for people: the status, or what to do next. It goes to standard error, so it is never part of
    /// piped data.
    pub fn remark(self, text: &str) {
        if !self.json {
            // A remark is optional, so a failed write is ignored.
            let _ = writeln!(io::stderr(), "{}", self.stderr.text(Role::Faint, text));
        }
    }

    /// Prints a line of an answering command's standard error, also with `--json`.
    pub fn stderr_line(self, text: &str) {
        // Like a remark, it is optional.
        let _ = writeln!(io::stderr(), "{}", self.stderr.text(Role::Faint, text));
    }

    /// Prints a part of a conversation: to standard output, or with `--json` to standard error.
    pub fn say(self, text: &str) -> Result<(), CliError> {
        self.converse(&escape_control(text))
    }

    /// Prints a question, in bold.
    pub fn question(self, call: &CallView) -> Result<(), CliError> {
        let now = SystemHost.now();
        self.converse(&prompt::format_question(call, now, |text| self.stdout.text(Role::Strong, text)))
    }

    fn converse(self, text: &str) -> Result<(), CliError> {
        write(if self.json { Stream::Stderr } else { Stream::Stdout }, &[text])
    }

    /// Asks a person before an action that cannot be undone. The question goes to standard error, which carries no
    /// data.
    pub fn ask(self, question: &str) -> Result<(), CliError> {
        write(Stream::Stderr, &[&self.strong(question), " "])
    }

    /// A text in bold, for standard error.
    pub fn strong(self, text: &str) -> String {
        self.stderr.text(Role::Strong, text)
    }

    /// Prints a text unchanged, without an added line end, so that a pipe gets a copy. On a terminal, control
    /// characters are escaped.
    pub fn raw(self, text: &str) -> Result<(), CliError> {
        if io::stdout().is_terminal() {
            return self.line(text.strip_suffix('\n').unwrap_or(text));
        }
        write(Stream::Stdout, &[text])
    }

    /// Reports the rejection of one of several targets, of the kind `kind`, and returns the exit that it asks for.
    pub fn report_rejection(self, kind: &str, id: &str, failure: CliError) -> Result<CliExit, CliError> {
        let CliError::Error(error) = failure else { return Err(failure) };
        let exit = CliExit::from(error.code);
        if self.json {
            let mut object = json!(error);
            object[kind] = json!(id);
            self.value(&json!({ "error": redact_error(object) }))?;
        } else {
            let names_target = error.message.contains(&format!("`{id}`"));
            let prefix = if names_target { String::new() } else { format!("{}: ", escape_control(&redact(id))) };
            let label = self.stderr.text(Role::Failed, "error:");
            write(Stream::Stderr, &[&label, " ", &prefix, &escape_control(&redact(&error.message)), "\n"])?;
        }
        Ok(exit)
    }

    /// Reports why a command failed, and returns its exit.
    pub fn report_error(self, failure: &CliError) -> CliExit {
        let label = self.stderr.text(Role::Failed, "error:");
        let written = match failure {
            CliError::OutputClosed => Ok(()),
            CliError::Interrupted(_) if self.json => self.value(&json!({ "interrupted": true })),
            CliError::Interrupted(note) => write(Stream::Stderr, &["\ninterrupted; ", note, "\n"]),
            failure if self.json => self.value(&json!({ "error": redact_error(as_json(failure)) })),
            CliError::Error(error) => {
                write(Stream::Stderr, &[&label, " ", &escape_control(&redact(&error.message)), "\n"])
            }
            CliError::Driving { error, resume_hint, .. } => {
                let (message, hint) = (redact(&error.message), redact(resume_hint));
                write(Stream::Stderr, &[&label, " ", &escape_control(&message), "\n", &escape_control(&hint), "\n"])
            }
            CliError::Compile(diagnostics) => {
                write(Stream::Stderr, &[&escape_control(&format_diagnostics(diagnostics))])
            }
        };
        match written {
            Err(CliError::OutputClosed) => CliExit::OutputClosed,
            // The error itself decides the exit, also if its report cannot be written.
            _ => failure.exit(),
        }
    }
}

/// Escapes control characters and bidirectional overrides, which control a terminal or hide text. All text of programs,
/// models and other people is escaped before it is printed for people.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_control(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Indents the lines of `text` after the first one by `by` columns.
pub fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

#[derive(Clone, Copy, Debug)]
enum Stream {
    Stdout,
    Stderr,
}

fn write(stream: Stream, parts: &[&str]) -> Result<(), CliError> {
    let written = match stream {
        Stream::Stdout => write_parts(&mut io::stdout().lock(), parts),
        Stream::Stderr => write_parts(&mut io::stderr().lock(), parts),
    };
    written.map_err(|error| match (error.kind(), stream) {
        (io::ErrorKind::BrokenPipe, _) => CliError::OutputClosed,
        (_, Stream::Stdout) => io_failure("standard output cannot be written", &error),
        (_, Stream::Stderr) => io_failure("standard error cannot be written", &error),
    })
}

fn write_parts(output: &mut impl Write, parts: &[&str]) -> io::Result<()> {
    parts.iter().try_for_each(|part| output.write_all(part.as_bytes()))?;
    output.flush()
}

/// Redacts an error: its texts may repeat a URL of the command line.
fn redact_error(mut error: serde_json::Value) -> serde_json::Value {
    let texts = error.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    for text in texts {
        if let serde_json::Value::String(text) = text {
            *text = redact(text).into_owned();
        }
    }
    error
}

fn as_json(failure: &CliError) -> serde_json::Value {
    match failure {
        CliError::Error(error) => json!(error),
        CliError::Driving { error, execution, .. } => {
            let mut object = json!(error);
            object["execution"] = json!(execution);
            object
        }
        CliError::OutputClosed | CliError::Interrupted(_) => json!(null),
        CliError::Compile(diagnostics) => {
            let diagnostic = |d: &Diagnostic| {
                json!({
                    "file": d.file,
                    "line": d.line,
                    "column": d.column,
                    "kind": d.kind,
                    "message": d.message,
                    "hint": d.hint,
                    "sourceLine": d.source_line,
                })
            };
            json!({
                "code": runstate::error_code::ErrorCode::COMPILE_ERROR,
                "message": summary(diagnostics),
                "retryable": false,
                "diagnostics": diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
            })
        }
    }
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let file = diagnostics.first().map_or("the source", |d| d.file.as_str());
    match diagnostics.len() {
        1 => format!("{file} does not compile: 1 error"),
        n => format!("{file} does not compile: {n} errors"),
    }
}

/// Formats each diagnostic with its source line and a caret below its position.
fn format_diagnostics(diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for d in diagnostics {
        let kind = match d.kind {
            DiagnosticKind::Syntax => "syntax error",
            DiagnosticKind::Unsupported => "not supported",
            DiagnosticKind::Name => "unknown name",
            DiagnosticKind::Warning => "warning",
        };
        let gutter = d.line.to_string();
        let margin = " ".repeat(gutter.len());
        text += &format!("{}:{}:{}: {kind}: {}\n", d.file, d.line, d.column, d.message);
        text += &format!(" {gutter} | {}\n", d.source_line);
        if let Some(caret) = caret(d) {
            text += &format!(" {margin} | {caret}\n");
        }
        if let Some(hint) = &d.hint {
            text += &format!(" {margin} = hint: {hint}\n");
        }
    }
    text += &format!("error: {}\n", summary(diagnostics));
    text
}

/// Returns the line with the caret; `None` if the source line was cut before the position.
fn caret(d: &Diagnostic) -> Option<String> {
    let mut remaining = d.column.saturating_sub(1) as usize;
    let mut line = String::new();
    let mut characters = d.source_line.chars();
    while remaining > 0 {
        let c = characters.next()?;
        // Tabs stay tabs, so that the caret is below its position for every tab width.
        line.push(if c == '\t' { '\t' } else { ' ' });
        remaining = remaining.saturating_sub(c.len_utf16());
    }
    line.push('^');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic_at(column: u32, source_line: &str) -> Diagnostic {
        Diagnostic {
            file: "a.ts".into(),
            line: 3,
            column,
            kind: DiagnosticKind::Name,
            message: "x is not defined".into(),
            hint: None,
            source_line: source_line.into(),
        }
    }

    #[test]
    fn control_characters_are_shown_as_escapes() {
        assert_eq!(escape_control("a\tb\nc é 🦀"), "a\tb\nc é 🦀");
        assert_eq!(escape_control("\u{1b}]0;x\u{7}\r\u{9b}\u{7f}"), r"\u{1b}]0;x\u{7}\u{d}\u{9b}\u{7f}");
        assert_eq!(escape_control("\u{202e}\u{2066}"), r"\u{202e}\u{2066}");
    }

    #[test]
    fn the_caret_points_at_the_column() {
        assert_eq!(caret(&diagnostic_at(1, "x")).as_deref(), Some("^"));
        assert_eq!(caret(&diagnostic_at(3, "\t x")).as_deref(), Some("\t ^"));
        assert_eq!(caret(&diagnostic_at(4, "\u{1F600} x")).as_deref(), Some("  ^"), "columns are UTF-16 units");
        assert_eq!(caret(&diagnostic_at(300, "cut")), None);
    }

    #[test]
    fn a_diagnostic_is_shown_with_its_source() {
        let diagnostics = [Diagnostic { hint: Some("did you mean y?".into()), ..diagnostic_at(5, "let x = y") }];
        insta::assert_snapshot!(format_diagnostics(&diagnostics), @r"
        a.ts:3:5: unknown name: x is not defined
         3 | let x = y
           |     ^
           = hint: did you mean y?
        error: a.ts does not compile: 1 error
        ");
    }
}
