//! Waiting for a timer, or for workers that hold the open calls.

use std::time::Duration;

use runstate::domain::cvm::ExecutionProgress;

use super::ExecutionDriver;
use crate::time_format::format_seconds;

/// The interval between two polls while a worker may complete a call.
const HELD_POLL_INTERVAL: Duration = Duration::from_secs(1);

impl ExecutionDriver<'_> {
    /// Waits until a deadline, but at most one poll interval, and remarks once what it waits for.
    pub(super) async fn wait(&mut self, progress: &ExecutionProgress) {
        let session = self.session;
        let now = session.engine.now();
        let until = progress.calls.iter().filter_map(|call| call.deadline).min();
        let owner = progress.calls.iter().filter(|call| call.is_claimed(now)).find_map(|call| call.owner.as_deref());
        let waits_for = match (owner, until) {
            (Some(owner), _) => format!("{owner} works on a call of {}", self.id),
            (None, Some(until)) => {
                format!("{} sleeps until {}; ctrl-c stops waiting for it", self.id, format_seconds(until))
            }
            (None, None) => format!("{} waits", self.id),
        };
        if self.wait_remark.as_ref() != Some(&waits_for) {
            session.out.remark(&waits_for);
            self.wait_remark = Some(waits_for);
        }
        tokio::select! {
            () = session.sleep_until(until) => {}
            // Another process may cancel or pause it, or complete a call.
            () = tokio::time::sleep(HELD_POLL_INTERVAL) => {}
        }
    }
}
