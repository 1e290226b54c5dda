//! Checks each reference against the document that it names, by the declarations of the collections alone.

use super::{Error, Verification};
use crate::engine::transfer::{Progress, has_nested_children};
use crate::schema::{Collection, Key, Presence, Reference};
use crate::store::{Finding, Row, StoredDocument};
use crate::value::{Json, get};

impl<P: FnMut(Progress)> Verification<P> {
    pub(super) async fn check_references(
        &mut self,
        collection: &'static Collection,
        rows: &[Row],
    ) -> Result<(), Error> {
        for reference in collection.references {
            let named = |row: &Row| Some((target(reference, &row.stored)?, Key::new(collection, &row.id)));
            let named: Vec<(Key, Key)> = rows.iter().filter_map(named).collect();
            let mut targets: Vec<Key> = Vec::new();
            for (target, _) in &named {
                if !targets.contains(target) {
                    targets.push(target.clone());
                }
            }
            let Some(found) = self.get(&targets).await? else { continue };
            let is_missing =
                |target: &Key| targets.iter().zip(&found).any(|(key, found)| key == target && found.is_none());
            let orphans: Vec<Key> =
                named.into_iter().filter(|(target, _)| is_missing(target)).map(|(_, row)| row).collect();
            if !orphans.is_empty() {
                self.check_orphans(collection, reference, orphans).await?;
            }
        }
        Ok(())
    }

    /// Reports rows whose target is missing, unless row or target was written meanwhile.
    async fn check_orphans(
        &mut self,
        collection: &Collection,
        reference: &Reference,
        orphans: Vec<Key>,
    ) -> Result<(), Error> {
        // A store into which one execution was imported has the version of the program that it runs, but not the program.
        let is_left_out = |target: &Collection| has_nested_children(&self.engine.shared.catalog, target);
        let target_left_out = self.engine.shared.catalog.get(reference.collection).is_some_and(is_left_out);
        let required = collection.fields.iter().any(|f| f.name == reference.field && f.presence == Presence::Required);
        for row in self.without_staged(orphans).await? {
            let Some(read) = self.get(std::slice::from_ref(&row)).await? else { continue };
            let Some(gone) = read.into_iter().flatten().find_map(|stored| target(reference, &stored)) else { continue };
            // Both in one snapshot: the row may have been removed with its target, or both created again.
            let Some(found) = self.get(&[row.clone(), gone.clone()]).await? else { continue };
            let [Some(stored), None] = found.as_slice() else { continue };
            if target(reference, stored).is_none_or(|target| target != gone) {
                continue;
            }
            let why = format!("its `{}` names {gone}, which does not exist", reference.field);
            self.report.add(match required && !target_left_out {
                true => Finding::damage(row.to_string(), why),
                false => Finding::harmless(row.to_string(), why),
            });
        }
        Ok(())
    }
}

/// The document that a reference names, if any.
fn target(reference: &Reference, stored: &StoredDocument) -> Option<Key> {
    let id = get(&stored.document, reference.field).and_then(Json::as_str)?;
    Some(Key { collection: reference.collection.into(), id: id.into() })
}
