//! Items that commits claim for workers of the same process. A worker offers its free places. A command that makes an
//! item available claims it for such a worker in its own commit, by the rule of the claim that would follow. So an item
//! costs one commit where it would cost two.
//!
//! Nothing depends on an offer: an item that is not claimed so is claimed later, by any worker. An item whose worker
//! has stopped meanwhile, or whose commit has an unknown outcome, is released. If the process dies, the claim ends with
//! its lease, as any claim does.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use runstate_core::decision::{AnyCommand, Change, Ctx, Decision, Rejection, View};
use runstate_core::marker::{MaybeSend, MaybeSync};
use runstate_core::schema::Key;
use runstate_value::time::Timestamp;

/// The free places of a worker.
pub(crate) trait Offer: MaybeSync {
    /// The collection of its items.
    fn collection(&self) -> &'static str;

    /// Whether its worker would claim the item that is changed at `now`, and has a place for it.
    fn wants(&self, change: &Change, now: Timestamp) -> bool;

    /// Takes a place, and claims the item for it. `view`: after the command that has made the item available. `None`:
    /// it cannot be claimed, or the last place was taken.
    fn claim(&self, view: &View, ctx: &mut Ctx, key: &Key) -> Option<(Decision<()>, Box<dyn Claimed>)>;
}

/// An item that a commit claims. Dropped, it gives its place back.
pub(crate) trait Claimed: MaybeSend {
    /// Whether a commit that claims the item may have happened. If so, its worker releases it when this is dropped: the
    /// answer of the commit was lost, or its command was dropped.
    fn set_sent(&mut self, is_sent: bool);

    /// Passes the item to its worker after the commit. Returns the command that releases it if the worker has stopped.
    fn deliver(self: Box<Self>) -> Option<Box<dyn AnyCommand>>;
}

/// The offers of the workers of an engine.
#[derive(Default)]
pub(super) struct Offers {
    offers: Mutex<Vec<Weak<dyn Offer>>>,
}

impl Offers {
    /// Adds an offer. It ends when it is dropped.
    pub fn add(&self, offer: &Arc<dyn Offer>) {
        let mut offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.retain(|offer| offer.strong_count() > 0);
        offers.push(Arc::downgrade(offer));
    }

    fn current(&self) -> Vec<Arc<dyn Offer>> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Claims the items that the decision makes available, as far as there are places, and adds them to `claimed`.
    pub fn claim(
        &self,
        decision: &mut Decision<()>,
        view: &View,
        ctx: &mut Ctx,
        claimed: &mut Vec<Box<dyn Claimed>>,
    ) -> Result<(), Rejection> {
        let mut after = None;
        for offer in self.current() {
            let items = decision.changes.iter().filter(|change| change.key().collection == offer.collection());
            let wanted = items.filter(|change| offer.wants(change, ctx.now));
            let wanted: Vec<Key> = wanted.map(|change| change.key().clone()).collect();
            for key in wanted {
                let view = after.take().unwrap_or_else(|| view.clone().after(&decision.changes, ctx));
                let Some((claim, item)) = offer.claim(&view, ctx, &key) else {
                    after = Some(view);
                    continue;
                };
                after = Some(view.after(&claim.changes, ctx));
                claimed.push(item);
                decision.follow(claim)?;
            }
        }
        Ok(())
    }
}
