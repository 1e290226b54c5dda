//! Computations that go on beside what this process serves: a request returns after the first slice of an execution.

use std::collections::HashSet;

use runstate::domain::cvm::{RunSlice, Status};
use runstate::engine::Engine;
use runstate::error_code::ErrorCode;
use tokio::sync::watch;

use crate::printer::Printer;
use crate::session::Session;

/// The executions that this process computes. A clone shares them.
#[derive(Clone)]
pub struct Computations {
    engine: Engine,
    out: Printer,
    computed: watch::Sender<HashSet<String>>,
    stopped: watch::Sender<bool>,
}

impl Computations {
    pub fn new(session: &Session) -> Self {
        let (computed, stopped) = (watch::Sender::default(), watch::Sender::new(false));
        Self { engine: session.engine.clone(), out: session.out, computed, stopped }
    }

    /// Runs an execution to its next stop, slice by slice: between two of them this process serves.
    pub fn start(&self, id: &str) {
        if !self.computed.send_if_modified(|computed| computed.insert(id.to_owned())) {
            return;
        }
        let (all, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            let slice = RunSlice { id: id.clone(), continues: None, warnings: Vec::new() };
            while !*all.stopped.borrow() {
                match all.engine.execute_part(&slice, None).await {
                    Ok(done) if done.output.status == Status::Running => tokio::task::yield_now().await,
                    Ok(_) => break,
                    // It was deleted, paused or ended meanwhile.
                    Err(error) if [ErrorCode::NOT_FOUND, ErrorCode::ILLEGAL_TRANSITION].contains(&error.code) => break,
                    Err(error) => {
                        // The rest is due work, as after the end of a process.
                        all.out.remark(&format!("{id} cannot be continued now: {error}"));
                        break;
                    }
                }
            }
            all.computed.send_modify(|computed| _ = computed.remove(&id));
        });
    }

    /// Ends all after their slice.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    pub async fn wait_for_stop(&self) {
        _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }
}
