//! Waiting for a timer, or for others who are at work on what is asked.

use std::time::Duration;

use runstate::domain::cvm::Seen;

use super::Driver;
use crate::moment::to_the_second;

/// Between two looks at what others do.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Driver<'_> {
    /// Waits until a deadline, for a while at the most where others may be faster, and says so once.
    pub(super) async fn rest(&mut self, glance: &Seen) {
        let session = self.session;
        let now = session.engine.now();
        let until = glance.calls.iter().filter_map(|call| call.deadline).min();
        let owner = glance.calls.iter().filter(|call| call.is_held(now)).find_map(|call| call.owner.as_deref());
        let waits_for = match (owner, until) {
            (Some(owner), _) => format!("{owner} works on what {} asks", self.id),
            (None, Some(until)) => format!("{} sleeps until {}; ctrl-c leaves it there", self.id, to_the_second(until)),
            (None, None) => format!("{} waits", self.id),
        };
        if self.waits_for.as_ref() != Some(&waits_for) {
            session.out.remark(&waits_for);
            self.waits_for = Some(waits_for);
        }
        tokio::select! {
            () = session.until(until) => {}
            // Somebody may cancel or pause it, or be done.
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
