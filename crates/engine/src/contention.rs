//! CommandContention between commands that each take any one of many documents, such as the calls that workers claim.
//! After a command lost its document to another commit, the next commands of its name pick among more; without
//! conflicts the number decreases again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use runstate_core::decision::SPREADS;
use runstate_value::SortedMap;

/// The number of candidates for commands of each name, as far as this process can observe conflicts.
#[derive(Default)]
pub(crate) struct CommandContention {
    spreads: Mutex<SortedMap<&'static str, u32>>,
    /// Whether any number is not the smallest, so that the usual case needs no lock.
    any: AtomicU32,
}

impl CommandContention {
    /// The number for commands of this name.
    pub(crate) fn spread(&self, command: &'static str) -> u32 {
        if self.any.load(Ordering::Relaxed) == 0 {
            return *SPREADS.start();
        }
        self.lock().get(command).copied().unwrap_or(*SPREADS.start())
    }

    /// Adapts the number to the conflicts of one command.
    pub(crate) fn record(&self, command: &'static str, conflicts: u32) {
        if conflicts == 0 && self.any.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut spreads = self.lock();
        let spread = spreads.get(command).copied().unwrap_or(*SPREADS.start());
        let next = if conflicts > 0 { spread.saturating_mul(2) } else { spread - spread / 32 };
        let next = next.clamp(*SPREADS.start(), *SPREADS.end());
        spreads.insert(command, next);
        let any = spreads.iter().any(|(_, spread)| spread / 32 > 0);
        self.any.store(any.into(), Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SortedMap<&'static str, u32>> {
        self.spreads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_doubles_on_conflicts_and_shrinks_slowly() {
        let contention = CommandContention::default();
        assert_eq!(contention.spread("claim"), 16);
        (0..10).for_each(|_| contention.record("claim", 1));
        assert_eq!((contention.spread("claim"), contention.spread("other")), (256, 16));
        contention.record("claim", 0);
        assert_eq!(contention.spread("claim"), 248);
        (0..200).for_each(|_| contention.record("claim", 0));
        assert!((16..=32).contains(&contention.spread("claim")), "{}", contention.spread("claim"));
    }
}
