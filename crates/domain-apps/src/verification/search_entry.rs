//! Verification of the search: each entry has the words of the step that it is of, or of an artifact that exists.

use runstate_core::decision::TypedQuery;
use runstate_core::operation::EntityCheck;
use runstate_core::prelude::*;

use super::AppsInspection;
use crate::artifact::Artifact;
use crate::search::{SearchEntry, SearchKind, joined_words, step_texts};
use crate::step::Step;

/// Entries of the search.
pub static CHECK: EntityCheck = EntityCheck {
    collection: &SearchEntry::COLLECTION,
    inspect: |id| TypedQuery::boxed(InspectSearchEntry { id: id.to_owned() }),
    rows: &[],
};

/// Checks an entry. Changes nothing.
#[derive(OperationName)]
#[operation(name = "apps.searchEntry.inspect")]
struct InspectSearchEntry {
    id: String,
}

impl DomainQuery for InspectSearchEntry {
    /// `None`: the entry does not exist.
    type Output = Option<AppsInspection>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<SearchEntry>(&self.id).with_entity::<Step>(&self.id).with_entity::<Artifact>(&self.id)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Self::Output> {
        let Some(entry) = view.find_entity::<SearchEntry>(&self.id)? else { return Ok(None) };
        let mut inspection = AppsInspection::begin(view, &Key::new(&SearchEntry::COLLECTION, &self.id));
        let entry = entry.entity;
        if entry.words != joined_words(&entry.texts) {
            inspection.add("its words are not those of its texts, so the search misses them");
        }
        let (source, name) = match entry.kind {
            SearchKind::Step => (view.get(&Key::new(&Step::COLLECTION, &self.id)), "step"),
            SearchKind::Artifact => (view.get(&Key::new(&Artifact::COLLECTION, &self.id)), "artifact"),
        };
        match source {
            Some(step) if entry.kind == SearchKind::Step => {
                if entry.texts != step_texts(&Step::COLLECTION, &step.document) {
                    inspection.add("its texts are not those of its step");
                }
            }
            Some(_) => {}
            // Both expire at the same time, but a store may delete one of them first.
            None if entry.expires_at.is_some() => {}
            None => inspection.add(format!("its {name} does not exist")),
        }
        Ok(Some(inspection))
    }
}
