//! What a person types at a terminal. A line can be edited before it is sent, and may have several lines: Alt-Enter
//! begins a new one, and a pasted text is one answer. What was typed before a question was shown is not its answer.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::{self, DisableBracketedPaste, Event};
use crossterm::{cursor, execute, terminal};
use reedline::{Color, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};
use runstate::engine::Error;
use tokio::sync::oneshot;

use crate::error::{self, CliError};
use crate::input;
use crate::printer::Printer;

/// What a person did.
pub enum Typed {
    /// They sent a text, without its line end.
    Text(String),
    /// They have no answer: ctrl-d.
    End,
    /// They pressed ctrl-c.
    Interrupted,
}

/// Reads what a person types, in a thread of its own: a question may end before its answer.
pub struct LineEditor {
    /// `None`: lines are read as the terminal sends them. The output is not a terminal, or it cannot move its cursor.
    editor: Option<Arc<Mutex<Reedline>>>,
    /// Makes the editor return.
    stop: Arc<AtomicBool>,
    /// The line that is being typed, of a question that has ended if nothing waits for it.
    typing: Option<oneshot::Receiver<Result<Typed, CliError>>>,
}

impl Default for LineEditor {
    fn default() -> Self {
        let (stop, term) = (Arc::<AtomicBool>::default(), std::env::var_os("TERM"));
        let can_edit =
            io::stdout().is_terminal() && io::stderr().is_terminal() && term.is_none_or(|term| term != "dumb");
        let editor = can_edit.then(|| Arc::new(Mutex::new(new_editor(&stop))));
        Self { editor, stop, typing: None }
    }
}

impl LineEditor {
    /// Whether lines are read as the terminal sends them. The caller prints the prompt then.
    pub fn is_plain(&self) -> bool {
        self.editor.is_none()
    }

    /// Prepares for a question that is shown next: drops what was typed before.
    pub async fn begin_question(&mut self, out: Printer) -> Result<(), CliError> {
        self.end_question().await;
        let typed_early = self.typing.as_mut().is_some_and(|typing| typing.try_recv().is_ok());
        if typed_early {
            self.typing = None;
        }
        let dropped = drop_input().map_err(unreadable)?;
        if dropped || typed_early {
            out.remark("what was typed before the question is shown was dropped: it is not its answer");
        }
        Ok(())
    }

    /// Leaves the terminal as it was, also in the middle of a line.
    pub async fn end_question(&mut self) {
        let Some(editor) = &self.editor else { return };
        let Some(typing) = self.typing.take() else { return };
        self.stop.store(true, Ordering::Relaxed);
        // A line that ends now is too late.
        _ = typing.await;
        self.stop.store(false, Ordering::Relaxed);
        *editor.lock().unwrap_or_else(PoisonError::into_inner) = new_editor(&self.stop);
    }

    /// Reads an answer after `prompt`.
    pub async fn read(&mut self, prompt: &str) -> Result<Typed, CliError> {
        let typing = self.typing.get_or_insert_with(|| {
            let (sender, typing) = oneshot::channel();
            let (editor, prompt) = (self.editor.clone(), AnswerPrompt(prompt.to_owned()));
            std::thread::spawn(move || {
                let typed = match editor {
                    Some(editor) => edit(&mut editor.lock().unwrap_or_else(PoisonError::into_inner), &prompt),
                    None => input::read_stdin_line().map(|line| line.map_or(Typed::End, Typed::Text)),
                };
                // The question may have ended.
                _ = sender.send(typed);
            });
            typing
        });
        let typed = typing.await;
        self.typing = None;
        typed.unwrap_or_else(|_| Err(Error::internal("the reader of the terminal has ended").into()))
    }
}

/// Asks a person before an action that cannot be undone.
pub async fn confirm(out: Printer, question: &str) -> Result<bool, CliError> {
    let (mut editor, question) = (LineEditor::default(), format!("{question} [y/N]"));
    editor.begin_question(out).await?;
    if editor.is_plain() {
        out.ask(&question)?;
    }
    match editor.read(&format!("{} ", out.strong(&question))).await? {
        Typed::Text(answer) => Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")),
        Typed::End => Ok(false),
        Typed::Interrupted => Err(CliError::Interrupted("nothing was deleted")),
    }
}

/// Leaves the terminal as it was, for an end of the process in the middle of a line.
pub fn restore_terminal() {
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        // The process ends here, so a failed write cannot be reported.
        _ = terminal::disable_raw_mode();
        _ = execute!(io::stdout(), DisableBracketedPaste, cursor::Show);
    }
}

fn new_editor(stop: &Arc<AtomicBool>) -> Reedline {
    Reedline::create().use_bracketed_paste(true).with_break_signal(stop.clone())
}

fn edit(editor: &mut Reedline, prompt: &AnswerPrompt) -> Result<Typed, CliError> {
    Ok(match editor.read_line(prompt).map_err(unreadable)? {
        Signal::Success(text) => Typed::Text(text),
        Signal::CtrlC => Typed::Interrupted,
        _ => Typed::End,
    })
}

fn unreadable(error: io::Error) -> CliError {
    error::io("the terminal cannot be read", &error)
}

/// Drops what the terminal has to read, and returns whether there was something.
fn drop_input() -> io::Result<bool> {
    terminal::enable_raw_mode()?;
    let dropped = drop_events();
    terminal::disable_raw_mode()?;
    dropped
}

fn drop_events() -> io::Result<bool> {
    let mut dropped = false;
    while event::poll(Duration::ZERO)? {
        dropped |= matches!(event::read()?, Event::Key(_) | Event::Paste(_));
    }
    Ok(dropped)
}

/// The prompt, in the colors that its text has.
struct AnswerPrompt(String);

impl Prompt for AnswerPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }

    fn get_prompt_color(&self) -> Color {
        Color::Default
    }

    fn get_prompt_multiline_color(&self) -> Color {
        Color::Default
    }
}
