//! The damaged documents that an engine has met. Each is reported once: it stays as it is until somebody mends it, and
//! `verify` finds all of them.

use std::sync::{Mutex, PoisonError};

use runstate_value::{SortedMap, SortedSet};

/// Most documents of one due rule that are known. Further ones are not reported.
const MOST_KNOWN: usize = 1_000;

/// The ids of the damaged documents that were reported, by due rule.
#[derive(Default)]
pub(super) struct ReportedDamage(Mutex<SortedMap<&'static str, SortedSet<String>>>);

impl ReportedDamage {
    /// Whether a damaged document is to be reported. Later calls return `false`.
    pub fn is_new(&self, of: &'static str, id: &str) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = reported.or_default(of);
        ids.len() < MOST_KNOWN && ids.insert(id.to_owned(), ()).is_none()
    }

    /// Whether a damaged document was reported.
    pub fn contains(&self, of: &str, id: &str) -> bool {
        let reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.get(of).is_some_and(|ids| ids.contains_key(id))
    }
}
