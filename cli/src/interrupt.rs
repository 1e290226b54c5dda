//! Ctrl-c while an execution is driven. It may come in the middle of a long computation, so a thread of its own waits for it. What was
//! committed stays; what was not is run again.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::exit::Exit;
use crate::print::Out;

/// What is driven, for the one who interrupts it.
#[derive(Clone, Default)]
pub struct Interrupt {
    driven: Arc<Mutex<Option<Driven>>>,
}

struct Driven {
    id: String,
    resume: String,
}

impl Interrupt {
    /// Begins to wait for ctrl-c. Where signals cannot be had, ctrl-c ends the process as it always does.
    pub fn watch(out: Out) -> Self {
        let interrupt = Self::default();
        let watched = interrupt.clone();
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                watched.say(out);
                std::process::exit(Exit::Interrupted.code().into());
            }
        });
        interrupt
    }

    /// From now on `id` is driven; `resume` is how to go on with it.
    pub fn driving(&self, id: &str, resume: String) {
        let driven = Driven { id: id.to_owned(), resume };
        *self.driven.lock().unwrap_or_else(PoisonError::into_inner) = Some(driven);
    }

    fn say(&self, out: Out) {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Driven { id, resume }) = driven.as_ref() else {
            return out.remark("\ninterrupted; see `runstate list` for what was begun");
        };
        if out.json() {
            // The process ends here; what cannot be said any more is not.
            let _ = out.value(&json!({"id": id, "interrupted": true, "resume": resume}));
        }
        out.remark(&format!("\ninterrupted; nothing is lost. Go on with: {resume}"));
    }
}
