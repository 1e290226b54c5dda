//! Ctrl-c while an execution is driven. It may arrive during a long computation, so a separate thread waits for it.
//! Committed work is kept, and the rest is executed again.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde_json::json;

use crate::error::CliError;
use crate::exec;
use crate::exit::CliExit;
use crate::line_editor::restore_terminal;
use crate::printer::Printer;
use crate::session::Session;

/// The execution that the thread for ctrl-c reports.
#[derive(Clone, Default)]
pub struct Interrupt {
    driven: Arc<Mutex<Option<DrivenExecution>>>,
}

struct DrivenExecution {
    id: String,
    /// The command line that continues it. `None`: its store is in memory.
    resume: Option<String>,
    /// Its start was committed, so it can be resumed.
    committed: bool,
}

impl Interrupt {
    /// Starts to wait for ctrl-c. If the system offers no signals, ctrl-c ends the process as by default.
    pub fn watch(session: &Session) -> Self {
        let interrupt = Self::default();
        let (this, out) = (interrupt.clone(), session.out);
        let hint = session.next_step(|| format!("To see what was started: {}", session.command_line("list")));
        spawn_ctrl_c_thread(move || this.print_notice(out, &hint));
        interrupt
    }

    /// Records that `id` is being started and may not exist yet. `resume` is the command line that continues it.
    pub fn set_starting(&self, id: &str, resume: Option<String>) {
        self.set(DrivenExecution { id: id.to_owned(), resume, committed: false });
    }

    /// Records that `id` is driven. `resume` is the command line that continues it.
    pub fn set_driving(&self, id: &str, resume: Option<String>) {
        self.set(DrivenExecution { id: id.to_owned(), resume, committed: true });
    }

    fn set(&self, driven: DrivenExecution) {
        *self.driven.lock().unwrap_or_else(PoisonError::into_inner) = Some(driven);
    }

    /// `hint` is printed if no execution is known yet.
    fn print_notice(&self, out: Printer, hint: &str) {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(driven) = driven.as_ref() else {
            return out.remark(&format!("\ninterrupted. {hint}"));
        };
        driven.report(out);
    }
}

/// Reports that a person has interrupted `id` while it was driven. `resume` is the command line that continues it.
pub fn report_driven(out: Printer, id: &str, resume: Option<String>) {
    DrivenExecution { id: id.to_owned(), resume, committed: true }.report(out);
}

/// Makes ctrl-c end the process with the exit code of an interrupt, even while a write to standard output blocks. For
/// commands that leave no work half done.
pub fn exit_on_ctrl_c() {
    spawn_ctrl_c_thread(|| ());
}

/// What ctrl-c leaves behind, for commands of which a part may take long without a pause. Ctrl-c ends the process in
/// any part; what was committed is kept.
#[derive(Clone)]
pub struct InterruptNote(Arc<Mutex<&'static str>>);

impl InterruptNote {
    /// Starts to wait for ctrl-c, which prints the note.
    pub fn watch(out: Printer, note: &'static str) -> Self {
        let this = Self(Arc::new(Mutex::new(note)));
        let shared = this.clone();
        spawn_ctrl_c_thread(move || {
            _ = out.report_error(&CliError::Interrupted(*shared.0.lock().unwrap_or_else(PoisonError::into_inner)));
        });
        this
    }

    /// Changes the note, when the next part begins.
    pub fn set(&self, note: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = note;
    }
}

/// Starts a thread that waits for ctrl-c, calls `notify` and ends the process. The thread is waiting when this returns.
fn spawn_ctrl_c_thread(notify: impl FnOnce() + Send + 'static) {
    let (registering, registered) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if runtime.block_on(wait_for_ctrl_c(registering)).is_ok() {
            restore_terminal();
            notify();
            exec::kill_all_groups();
            std::process::exit(CliExit::Interrupted.code().into());
        }
    });
    // The thread sends nothing: it drops its end when it waits, or when the system offers no signals.
    let _ = registered.recv();
}

/// Waits for ctrl-c. Drops `registering` when the handler is registered.
async fn wait_for_ctrl_c(registering: mpsc::Sender<()>) -> io::Result<()> {
    let (mut registering, mut ctrl_c) = (Some(registering), pin!(tokio::signal::ctrl_c()));
    poll_fn(|cx| {
        let polled = ctrl_c.as_mut().poll(cx);
        registering = None;
        polled
    })
    .await
}

/// Ctrl-c, and the signal by which service managers end a process. Signals are received from the registration on, also
/// between two waits.
pub struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl StopSignals {
    /// Registers the handlers. `None`: the system offers no signals to this process, so ctrl-c ends it.
    #[cfg(unix)]
    pub fn register() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        Some(Self { interrupt, terminate: signal(SignalKind::terminate()).ok()? })
    }

    /// Registers the handler. `None`: the system offers no signals to this process, so ctrl-c ends it.
    #[cfg(windows)]
    pub fn register() -> Option<Self> {
        Some(Self { interrupt: tokio::signal::windows::ctrl_c().ok()? })
    }

    /// Waits for the next signal; `false`: no further signal can arrive.
    pub async fn next(&mut self) -> bool {
        #[cfg(unix)]
        tokio::select! {
            received = self.interrupt.recv() => received.is_some(),
            received = self.terminate.recv() => received.is_some(),
        }
        #[cfg(windows)]
        self.interrupt.recv().await.is_some()
    }
}

/// Runs `work` until it ends or ctrl-c arrives. On ctrl-c it drops `work` where it waits, which undoes unfinished
/// writes.
pub async fn run_interruptible<T, E>(
    note: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CliError>
where
    CliError: From<E>,
{
    tokio::select! {
        // In this order: ctrl-c is waited for before the work begins.
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Err(CliError::Interrupted(note)),
        result = work => result.map_err(CliError::from),
    }
}

impl DrivenExecution {
    fn report(&self, out: Printer) {
        if out.is_json() {
            // The process ends here, so a failed write cannot be reported.
            let _ = out.value(&json!({"id": self.id, "interrupted": true, "resume": self.resume}));
        }
        out.remark(&format!("\ninterrupted; {}", self.resume_notice()));
    }

    /// Describes what is kept of the execution, and how to continue it.
    fn resume_notice(&self) -> String {
        match (&self.resume, self.committed) {
            (None, _) => "the store was in memory and is lost with the process".to_owned(),
            (Some(resume), true) => format!("saved work is kept. Continue with: {resume}"),
            (Some(resume), false) => format!(
                "saved work is kept. Continue with: {resume}\n  (if the execution does not exist, nothing was saved yet: start it again)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_fits_saved_and_unsaved_executions() {
        let notice = |resume: Option<&str>, committed| {
            DrivenExecution { id: "r1".into(), resume: resume.map(str::to_owned), committed }.resume_notice()
        };
        insta::assert_snapshot!(notice(Some("runstate resume r1"), true), @"saved work is kept. Continue with: runstate resume r1");
        insta::assert_snapshot!(notice(Some("runstate resume r1"), false), @"
        saved work is kept. Continue with: runstate resume r1
          (if the execution does not exist, nothing was saved yet: start it again)
        ");
        assert!(notice(None, true).contains("is lost with the process"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn signals_between_two_waits_are_received() {
        use std::time::Duration;

        use rustix::process::{Signal, getpid, kill_process};
        use tokio::signal::unix::{SignalKind, signal};
        use tokio::time::timeout;

        const TIMEOUT: Duration = Duration::from_secs(60);
        let mut signals = StopSignals::register().unwrap();
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        for (sent, kind) in [(Signal::INT, interrupt), (Signal::INT, interrupt), (Signal::TERM, terminate)] {
            // Another listener receives the signal first, while nothing waits on `signals`.
            let mut other = signal(kind).unwrap();
            kill_process(getpid(), sent).unwrap();
            timeout(TIMEOUT, other.recv()).await.unwrap();
            assert_eq!(timeout(TIMEOUT, signals.next()).await, Ok(true), "{sent:?}");
        }
    }
}
