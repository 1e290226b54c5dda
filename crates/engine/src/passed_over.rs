//! Items that this process cannot claim, because it lacks a key. They stay as they are: another process may have it.
//! Here they are known for a while, so that each claim does not read their documents again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runstate_core::decision::PassedOver;
use runstate_value::SortedMap;
use runstate_value::time::{Millis, Timestamp};

/// How long an item is passed over without a look: a rotation may encrypt its documents under a key that is given.
const KNOWN_FOR: Millis = Millis::minutes(1);

/// Most items of one command that are known to later ones.
const MOST_KNOWN: usize = 65_536;

/// The items by the name of the command that passes over them, with the time of the first one.
#[derive(Default)]
pub(super) struct UnreadableItems(Mutex<SortedMap<&'static str, (Timestamp, Arc<PassedOver>)>>);

impl UnreadableItems {
    /// The items that commands of this name pass over.
    pub fn of(&self, command: &'static str, now: Timestamp) -> Arc<PassedOver> {
        self.current(command, now).map(|(_, items)| items).unwrap_or_default()
    }

    /// Replaces the items that commands of this name pass over. Of more than fit, none is added.
    pub fn keep(&self, command: &'static str, items: Arc<PassedOver>, now: Timestamp) {
        let since = self.current(command, now).map_or(now, |(since, _)| since);
        if items.len() <= MOST_KNOWN {
            self.lock().insert(command, (since, items));
        }
    }

    fn current(&self, command: &'static str, now: Timestamp) -> Option<(Timestamp, Arc<PassedOver>)> {
        let is_current = |since: Timestamp| (Millis(0)..KNOWN_FOR).contains(&now.since(since));
        self.lock().get(command).filter(|(since, _)| is_current(*since)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, SortedMap<&'static str, (Timestamp, Arc<PassedOver>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use runstate_core::schema::Key;

    use super::*;

    #[test]
    fn more_items_than_fit_do_not_replace_those_that_are_known() {
        let items = UnreadableItems::default();
        let key = |id: usize| (Key { collection: "c".into(), id: id.to_string().into() }, String::new());
        let now = Timestamp::from_millis(0);
        for count in [MOST_KNOWN, MOST_KNOWN + 1] {
            items.keep("claim", Arc::new((0..count).map(key).collect()), now);
            assert_eq!(items.of("claim", now).len(), MOST_KNOWN);
        }
        assert!(items.of("claim", now + KNOWN_FOR).is_empty());
    }
}
