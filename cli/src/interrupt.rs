//! Ctrl-c while an execution is driven. It may come in the middle of a long computation, so a thread of its own waits for it. What was
//! committed stays; what was not is run again.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde_json::json;

use crate::exec;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::Out;

/// What is driven, for the one who interrupts it.
#[derive(Clone, Default)]
pub struct Interrupt {
    driven: Arc<Mutex<Option<Driven>>>,
}

struct Driven {
    id: String,
    /// `None`: it ends with the process.
    resume: Option<String>,
    /// It was committed: it is there to be resumed.
    begun: bool,
}

impl Interrupt {
    /// Begins to wait for ctrl-c. Where signals cannot be had, ctrl-c ends the process as it always does.
    pub fn watch(out: Out) -> Self {
        let interrupt = Self::default();
        let watched = interrupt.clone();
        ends(move || watched.say(out));
        interrupt
    }

    /// From now on `id` is being started: it may be there or not. `resume` is how to go on with it.
    pub fn starting(&self, id: &str, resume: Option<String>) {
        self.set(Driven { id: id.to_owned(), resume, begun: false });
    }

    /// From now on `id` is driven; `resume` is how to go on with it.
    pub fn driving(&self, id: &str, resume: Option<String>) {
        self.set(Driven { id: id.to_owned(), resume, begun: true });
    }

    fn set(&self, driven: Driven) {
        *self.driven.lock().unwrap_or_else(PoisonError::into_inner) = Some(driven);
    }

    fn say(&self, out: Out) {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(driven) = driven.as_ref() else {
            return out.remark("\ninterrupted; see `runstate list` for what was begun");
        };
        if out.json() {
            // The process ends here; what cannot be said any more is not.
            let _ = out.value(&json!({"id": driven.id, "interrupted": true, "resume": driven.resume}));
        }
        out.remark(&format!("\ninterrupted; {}", driven.kept()));
    }
}

/// From now on ctrl-c ends the process as it would anyway, but with our exit code: there is nothing that it leaves half done. Not even a
/// reader that has stopped reading keeps the process then.
pub fn ends_the_process() {
    ends(|| ());
}

/// A thread that waits for ctrl-c, says what there is to say, and ends the process. It waits already when this returns.
fn ends(say: impl FnOnce() + Send + 'static) {
    let (begins, begun) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        if runtime.block_on(pressed(begins)).is_ok() {
            say();
            exec::end_all();
            std::process::exit(Exit::Interrupted.code().into());
        }
    });
    // Nothing is sent: the other end is dropped, whether or not signals can be had.
    let _ = begun.recv();
}

/// Waits for ctrl-c; drops `begins` as soon as it does.
async fn pressed(begins: mpsc::Sender<()>) -> io::Result<()> {
    let (mut begins, mut pressed) = (Some(begins), pin!(tokio::signal::ctrl_c()));
    poll_fn(|cx| {
        let polled = pressed.as_mut().poll(cx);
        begins = None;
        polled
    })
    .await
}

/// Ctrl-c, and the signal by which service managers end a process. Signals are received from the registration on, also between two waits.
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

/// `work`, unless ctrl-c comes first: then it is dropped where it waits, and whatever it had begun to put somewhere is taken back.
pub async fn unless<T, E>(kept: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    tokio::select! {
        done = work => done.map_err(Failure::from),
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Interrupted(kept)),
    }
}

impl Driven {
    /// What is left of it.
    fn kept(&self) -> String {
        match (&self.resume, self.begun) {
            (None, _) => "its store was in memory and ends with the process".to_owned(),
            (Some(resume), true) => format!("what was saved is kept. Go on with: {resume}"),
            (Some(resume), false) => format!(
                "what was saved is kept. Go on with: {resume}\n  (if it does not exist, nothing was saved yet: run it again)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_true_whether_or_not_anything_was_saved() {
        let kept =
            |resume: Option<&str>, begun| Driven { id: "r1".into(), resume: resume.map(str::to_owned), begun }.kept();
        insta::assert_snapshot!(kept(Some("runstate resume r1"), true), @"what was saved is kept. Go on with: runstate resume r1");
        insta::assert_snapshot!(kept(Some("runstate resume r1"), false), @"
        what was saved is kept. Go on with: runstate resume r1
          (if it does not exist, nothing was saved yet: run it again)
        ");
        assert!(kept(None, true).contains("ends with the process"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn signals_between_two_waits_are_received() {
        use std::time::Duration;

        use rustix::process::{Signal, getpid, kill_process};
        use tokio::signal::unix::{SignalKind, signal};
        use tokio::time::timeout;

        const PATIENCE: Duration = Duration::from_secs(60);
        let mut signals = StopSignals::register().unwrap();
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        for (sent, kind) in [(Signal::INT, interrupt), (Signal::INT, interrupt), (Signal::TERM, terminate)] {
            // It is delivered to another listener first, while nobody waits for the next signal.
            let mut other = signal(kind).unwrap();
            kill_process(getpid(), sent).unwrap();
            timeout(PATIENCE, other.recv()).await.unwrap();
            assert_eq!(timeout(PATIENCE, signals.next()).await, Ok(true), "{sent:?}");
        }
    }
}
