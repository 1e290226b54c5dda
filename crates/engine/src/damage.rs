//! The damaged documents that an engine has met. Each is reported once: it stays as it is until a write mends it, and
//! `verify` finds all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use runstate_core::id::Revision;
use runstate_core::schema::{DamageCode, Key};
use runstate_store::StoreError;
use runstate_value::SortedMap;

use super::{DueFailure, Engine, log};

/// Most documents of one due rule or command that are known. Further ones are not reported.
const MOST_KNOWN: usize = 1_000;

/// What is known, by the name of a due rule or a command.
#[derive(Default)]
struct Known {
    /// The revision at which it was read; `None`: it is not known.
    reported: SortedMap<String, Option<Revision>>,
    /// Entities that were due although their command found nothing to do.
    idle: SortedMap<String, Revision>,
}

/// The damaged documents that were reported, and failures for the next report of due work.
#[derive(Default)]
pub(super) struct ReportedDamage {
    known: Mutex<SortedMap<&'static str, Known>>,
    failures: Mutex<Vec<DueFailure>>,
}

impl ReportedDamage {
    /// Whether a damaged document is to be reported. Later calls with the same revision return `false`.
    pub fn is_new(&self, of: &'static str, id: &str, revision: Option<&Revision>) -> bool {
        let mut known = self.lock();
        let reported = &mut known.or_default(of).reported;
        if reported.len() >= MOST_KNOWN && !reported.contains_key(id) {
            return false;
        }
        reported.insert(id.to_owned(), revision.cloned()).is_none_or(|known| known.as_ref() != revision)
    }

    /// Whether a damaged document was reported at this revision. A write may have mended it since.
    pub fn contains(&self, of: &str, id: &str, revision: &Revision) -> bool {
        let lock = self.lock();
        lock.get(of).and_then(|known| known.reported.get(id)).is_some_and(|known| known.as_ref() == Some(revision))
    }

    /// Whether the command of a due entity has found nothing to do before at this revision.
    pub fn was_idle(&self, of: &'static str, id: &str, revision: &Revision) -> bool {
        let mut known = self.lock();
        let idle = &mut known.or_default(of).idle;
        if idle.len() >= MOST_KNOWN {
            *idle = SortedMap::default();
        }
        idle.insert(id.to_owned(), revision.clone()).is_some_and(|before| before == *revision)
    }

    /// The failures that no report of due work has.
    pub fn take_failures(&self) -> Vec<DueFailure> {
        std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, SortedMap<&'static str, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Reports damaged documents that a command has passed over, as due work does: in the log, and in its next report.
    pub(super) fn report_damage(&self, command: &'static str, damaged: Vec<(Key, DamageCode, String)>) {
        for (key, code, why) in damaged {
            if self.shared.reported_damage.is_new(command, &key.id, None) {
                let at = key.to_string();
                let error = match code {
                    DamageCode::Corrupt => StoreError::Corrupt { at, why },
                    DamageCode::KeyMissing => StoreError::KeyMissing { at, why },
                };
                let error = error.into();
                log::due_failed(&key.id, &error);
                let mut failures = self.shared.reported_damage.failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push(DueFailure { id: key.id.to_string(), error });
            }
        }
    }
}
