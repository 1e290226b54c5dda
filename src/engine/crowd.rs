//! How many claim work at once, as far as one process can tell: who lost a call to another worker picks among more of them the next time,
//! and among fewer again when nobody is in the way.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::cvm::LOOKED_AT;

/// Among how many calls a claim picks one.
pub(super) struct Crowd(AtomicU32);

impl Default for Crowd {
    fn default() -> Self {
        Self(AtomicU32::new(*LOOKED_AT.start()))
    }
}

impl Crowd {
    pub(super) fn size(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// A claim had to be decided again so often. What several tell at once may be lost: it is an estimate.
    pub(super) fn met(&self, lost: u32) {
        let size = self.size();
        let next = if lost > 0 { size.saturating_mul(2) } else { size - size / 32 };
        self.0.store(next.clamp(*LOOKED_AT.start(), *LOOKED_AT.end()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_each_loss_and_shrinks_slowly_within_its_bounds() {
        let crowd = Crowd::default();
        assert_eq!(crowd.size(), 16);
        (0..10).for_each(|_| crowd.met(1));
        assert_eq!(crowd.size(), 256);
        crowd.met(0);
        assert_eq!(crowd.size(), 248);
        (0..200).for_each(|_| crowd.met(0));
        assert!((16..=32).contains(&crowd.size()), "{}", crowd.size());
    }
}
