//! Where everything goes that is said: results to standard output, for people remarks to standard error. With `--json` standard output
//! has one JSON value a line and nothing else, errors included.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use runstate::domain::cvm::OpenCall;
use runstate::engine::{Host, SystemHost};
use runstate::lang::{Diagnostic, Kind};
use serde::Serialize;
use serde_json::json;

use crate::colour::{Paint, Role, When};
use crate::exit::Exit;
use crate::failure::{Failure, io as io_failure};
use crate::masked::masked;
use crate::prompt;

/// What the caller reads.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    json: bool,
    stdout: Paint,
    stderr: Paint,
}

impl Out {
    /// For programs (`json`) or for people.
    pub fn new(json: bool, colours: When) -> Self {
        let (stdout, stderr) = (Paint::of(colours, json, &io::stdout()), Paint::of(colours, json, &io::stderr()));
        Self { json, stdout, stderr }
    }

    /// Whether a program reads it.
    pub fn json(self) -> bool {
        self.json
    }

    /// The colours of standard output.
    pub fn paint(self) -> Paint {
        self.stdout
    }

    /// One JSON value, on a line of its own.
    pub fn value(self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|e| io_failure("the result cannot be written", &e.into()))?;
        write(io::stdout().lock(), &[&text, "\n"])
    }

    /// Several JSON values, at once.
    pub fn values(self, values: &[impl Serialize]) -> Result<(), Failure> {
        let texts: Result<Vec<String>, _> = values.iter().map(|v| serde_json::to_string(v).map(|v| v + "\n")).collect();
        let texts = texts.map_err(|e| io_failure("the result cannot be written", &e.into()))?;
        write(io::stdout().lock(), &[&texts.concat()])
    }

    /// A line for people.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        write(io::stdout().lock(), &[&visible(text), "\n"])
    }

    /// Several lines for people, at once.
    pub fn lines(self, lines: &[String]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        write(io::stdout().lock(), &[&visible(&lines.join("\n")), "\n"])
    }

    /// Several lines for people, at once, of texts that went through [`Paint`] or a [`Table`](crate::table::Table).
    pub fn painted(self, lines: &[String]) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        write(io::stdout().lock(), &[&lines.join("\n"), "\n"])
    }

    /// A remark: how things stand, what to do next. For people only, and never in the way of what is piped.
    pub fn remark(self, text: &str) {
        if !self.json {
            // A remark that nobody can read is no loss.
            let _ = writeln!(io::stderr(), "{}", self.stderr.text(Role::Faint, text));
        }
    }

    /// What a command that answers says beside its answer; where programs read too.
    pub fn aside(self, text: &str) {
        // As a remark, it is no loss where nobody can read it.
        let _ = writeln!(io::stderr(), "{}", self.stderr.text(Role::Faint, text));
    }

    /// Words of a conversation: on standard output, or where that is for a program on standard error.
    pub fn say(self, text: &str) -> Result<(), Failure> {
        self.converse(&visible(text))
    }

    /// A question, the way it stands out.
    pub fn question(self, call: &OpenCall) -> Result<(), Failure> {
        let now = SystemHost.now();
        self.converse(&prompt::question(call, now, |text| self.stdout.text(Role::Strong, text)))
    }

    fn converse(self, text: &str) -> Result<(), Failure> {
        if self.json { write(io::stderr().lock(), &[text]) } else { write(io::stdout().lock(), &[text]) }
    }

    /// Asks a person before something is done that cannot be undone; on standard error, which is nobody's data.
    pub fn ask(self, question: &str) -> Result<(), Failure> {
        write(io::stderr().lock(), &[&self.stderr.text(Role::Strong, question), " "])
    }

    /// A text as it is, without a line end of our own: what is piped is a copy. A terminal is not commanded by it.
    pub fn exactly(self, text: &str) -> Result<(), Failure> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return self.line(text.strip_suffix('\n').unwrap_or(text));
        }
        write(stdout.lock(), &[text])
    }

    /// Says that one of several things, an execution say (`what`), was refused; the end of the process that it asks for.
    pub fn refused(self, what: &str, id: &str, failure: Failure) -> Result<Exit, Failure> {
        let Failure::Error(error) = failure else { return Err(failure) };
        let exit = Exit::from(error.code);
        if self.json {
            let mut object = json!(error);
            object[what] = json!(id);
            self.value(&json!({ "error": told(object) }))?;
        } else {
            let named = error.message.contains(&format!("`{id}`"));
            let about = if named { String::new() } else { format!("{}: ", visible(&masked(id))) };
            let wrong = self.stderr.text(Role::Failed, "error:");
            write(io::stderr().lock(), &[&wrong, " ", &about, &visible(&masked(&error.message)), "\n"])?;
        }
        Ok(exit)
    }

    /// Says why a command failed; how the process ends by it.
    pub fn failure(self, failure: &Failure) -> Exit {
        let wrong = self.stderr.text(Role::Failed, "error:");
        let said = match failure {
            Failure::OutputClosed => Ok(()),
            Failure::Interrupted(_) if self.json => self.value(&json!({ "interrupted": true })),
            Failure::Interrupted(kept) => write(io::stderr().lock(), &["\ninterrupted; ", kept, "\n"]),
            failure if self.json => self.value(&json!({ "error": told(as_json(failure)) })),
            Failure::Error(error) => {
                write(io::stderr().lock(), &[&wrong, " ", &visible(&masked(&error.message)), "\n"])
            }
            Failure::Driving { error, go_on, .. } => {
                let (message, go_on) = (masked(&error.message), masked(go_on));
                write(io::stderr().lock(), &[&wrong, " ", &visible(&message), "\n", &visible(&go_on), "\n"])
            }
            Failure::Compile(found) => write(io::stderr().lock(), &[&visible(&diagnostics(found))]),
        };
        said.map_or(Exit::OutputClosed, |()| failure.exit())
    }
}

/// `text` without what would command a terminal or hide what is said: such characters are shown as escapes. What programs, models and
/// other people wrote goes through here before it is shown to people.
pub fn visible(text: &str) -> Cow<'_, str> {
    let commands = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if commands(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// `text` with its lines after the first one set in by `by` columns.
pub fn indented(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}

fn write(mut to: impl Write, parts: &[&str]) -> Result<(), Failure> {
    let written = parts.iter().try_for_each(|part| to.write_all(part.as_bytes())).and_then(|()| to.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => io_failure("standard output cannot be written", &error),
    })
}

/// An error as it may be told: what it repeats of the command line may be a URL.
fn told(mut error: serde_json::Value) -> serde_json::Value {
    let texts = error.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut);
    for text in texts {
        if let serde_json::Value::String(text) = text {
            *text = masked(text).into_owned();
        }
    }
    error
}

fn as_json(failure: &Failure) -> serde_json::Value {
    match failure {
        Failure::Error(error) => json!(error),
        Failure::Driving { error, execution, .. } => {
            let mut object = json!(error);
            object["execution"] = json!(execution);
            object
        }
        Failure::OutputClosed | Failure::Interrupted(_) => json!(null),
        Failure::Compile(found) => {
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
                "code": runstate::code::Code::CompileError,
                "message": summary(found),
                "retryable": false,
                "diagnostics": found.iter().map(diagnostic).collect::<Vec<_>>(),
            })
        }
    }
}

fn summary(found: &[Diagnostic]) -> String {
    let file = found.first().map_or("the source", |d| d.file.as_str());
    match found.len() {
        1 => format!("{file} does not compile: 1 error"),
        n => format!("{file} does not compile: {n} errors"),
    }
}

/// Each finding with its line of the source and a caret below its place.
fn diagnostics(found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for d in found {
        let kind = match d.kind {
            Kind::Syntax => "syntax error",
            Kind::Unsupported => "not supported",
            Kind::Name => "unknown name",
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
    text += &format!("error: {}\n", summary(found));
    text
}

/// The caret below the place; none where the line was cut before it.
fn caret(d: &Diagnostic) -> Option<String> {
    let mut left = d.column.saturating_sub(1) as usize;
    let mut line = String::new();
    let mut characters = d.source_line.chars();
    while left > 0 {
        let c = characters.next()?;
        // Tabs stay tabs, so that the caret stands below its place whatever their width is.
        line.push(if c == '\t' { '\t' } else { ' ' });
        left = left.saturating_sub(c.len_utf16());
    }
    line.push('^');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(column: u32, source_line: &str) -> Diagnostic {
        Diagnostic {
            file: "a.ts".into(),
            line: 3,
            column,
            kind: Kind::Name,
            message: "x is not defined".into(),
            hint: None,
            source_line: source_line.into(),
        }
    }

    #[test]
    fn what_commands_a_terminal_is_shown_as_an_escape() {
        assert_eq!(visible("a\tb\nc é 🦀"), "a\tb\nc é 🦀");
        assert_eq!(visible("\u{1b}]0;x\u{7}\r\u{9b}\u{7f}"), r"\u{1b}]0;x\u{7}\u{d}\u{9b}\u{7f}");
        assert_eq!(visible("\u{202e}\u{2066}"), r"\u{202e}\u{2066}");
    }

    #[test]
    fn the_caret_stands_below_its_place() {
        assert_eq!(caret(&at(1, "x")).as_deref(), Some("^"));
        assert_eq!(caret(&at(3, "\t x")).as_deref(), Some("\t ^"));
        assert_eq!(caret(&at(4, "\u{1F600} x")).as_deref(), Some("  ^"), "columns are UTF-16 units");
        assert_eq!(caret(&at(300, "cut")), None);
    }

    #[test]
    fn a_finding_is_shown_with_its_source() {
        let found = [Diagnostic { hint: Some("did you mean y?".into()), ..at(5, "let x = y") }];
        insta::assert_snapshot!(diagnostics(&found), @r"
        a.ts:3:5: unknown name: x is not defined
         3 | let x = y
           |     ^
           = hint: did you mean y?
        error: a.ts does not compile: 1 error
        ");
    }
}
