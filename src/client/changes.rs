//! Waiting for changes of executions.

use runstate_domain_cvm::{CC_HISTORY, EXECUTIONS};
use runstate_engine::{ChangeFilter, Engine};
use runstate_store::Position;
use runstate_value::time::Millis;

/// Changes of executions and of their calls, from the first wait on.
pub struct RunChanges {
    engine: Engine,
    filter: ChangeFilter,
    /// The position up to which they were read; `None`: the next wait ends at once.
    position: Option<Position>,
}

impl RunChanges {
    /// The time after which an execution is read again without a change: a change may be lost.
    pub const RECHECK: Millis = Millis::seconds(2);

    /// The changes of one execution, or of all.
    pub fn new(engine: &Engine, execution: Option<&str>) -> Self {
        let collections = [&EXECUTIONS, &CC_HISTORY].map(|collection| collection.name.to_owned());
        let (collections, subjects) = (Some(collections.to_vec()), execution.map(|id| vec![id.to_owned()]));
        let filter = ChangeFilter { collections, subjects, ..ChangeFilter::default() };
        Self { engine: engine.clone(), filter, position: None }
    }

    /// Waits for a change since the last wait, at most for `span`. The first wait ends at once: what was read before it
    /// may have changed.
    pub async fn wait(&mut self, span: Millis) {
        let wait = if self.position.is_some() { span } else { Millis(0) };
        match self.engine.changes(self.position.take(), &self.filter, wait).await {
            Ok(changes) => self.position = Some(changes.next),
            // The store has no changes, or no longer those since the last wait.
            Err(_) => self.engine.host().sleep(span).await,
        }
    }
}
