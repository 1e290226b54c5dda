//! The order of commands within a process. Commands with one subject take turns from the beginning. The others are
//! decided at once, and take turns after a conflict: a command that lost waits for its turn at the document that was
//! changed, and so do commands that read this document meanwhile. So many that write one document, as the claims and
//! answers of calls with one budget, do not starve each other.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_lock::MutexGuardArc;
use runstate_core::decision::View;
use runstate_core::schema::Key;

type Queue = async_lock::Mutex<()>;

/// Number of queues from which on those that ended are removed.
const MANY: usize = 1_024;

/// Queues of commands, by document. A queue ends with its last command.
#[derive(Default)]
pub(super) struct CommandQueues {
    queues: Mutex<HashMap<Key, Weak<Queue>>>,
}

impl CommandQueues {
    /// The queue of a document. It lasts as long as the result, or a turn in it.
    pub(super) fn queue(&self, key: Key) -> Arc<Queue> {
        let mut queues = self.lock();
        if queues.len() >= MANY {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = queues.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }

    /// The documents of the view that have a queue.
    fn queued(&self, view: &View) -> Vec<Key> {
        let queues = self.lock();
        let is_queued = |key: &&Key| queues.get(*key).is_some_and(|queue| queue.strong_count() > 0);
        if queues.is_empty() { Vec::new() } else { view.keys().filter(is_queued).cloned().collect() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turns of one command at contended documents. They end when it is dropped.
///
/// A command has its subject before it waits here, and takes its turns in the order of the documents. So no two
/// commands wait for each other.
pub(super) struct Turns<'a> {
    queues: &'a CommandQueues,
    keys: BTreeSet<Key>,
    held: Vec<MutexGuardArc<()>>,
}

impl<'a> Turns<'a> {
    pub(super) fn new(queues: &'a CommandQueues) -> Self {
        Self { queues, keys: BTreeSet::new(), held: Vec::new() }
    }

    /// Waits for the turns at those documents of the view for which other commands wait. Returns whether it waited: the
    /// view may be old then.
    pub(super) async fn wait_for_view(&mut self, view: &View) -> bool {
        let queued = self.queues.queued(view);
        self.wait_for(queued).await
    }

    /// Waits for the turns at these documents too. Returns `false` if it has them.
    pub(super) async fn wait_for(&mut self, keys: Vec<Key>) -> bool {
        let known = self.keys.len();
        self.keys.extend(keys);
        if self.keys.len() == known {
            return false;
        }
        // The queues exist from now on, so that commands which begin meanwhile join them.
        let queues: Vec<Arc<Queue>> = self.keys.iter().map(|key| self.queues.queue(key.clone())).collect();
        self.held.clear();
        for queue in queues {
            self.held.push(queue.lock_arc().await);
        }
        true
    }
}
