//! Documents against the schema of their collection, the rows of the ledger among them.

use super::{Error, Verification};
use crate::engine::transfer::Progress;
use crate::id::CommandId;
use crate::schema::{self, Collection, Key, Kind};
use crate::store::{COMMANDS, Finding, Row, Stored};
use crate::value::Json;

impl<P: FnMut(Progress)> Verification<P> {
    pub(super) async fn check_documents(&mut self, collection: &'static Collection, rows: &[Row]) -> Result<(), Error> {
        for row in rows.iter().filter(|row| find_problem(collection, &row.id, &row.stored).is_some()) {
            let key = Key::new(collection, &row.id);
            let Some(found) = self.get(std::slice::from_ref(&key)).await? else { continue };
            let stored = found.into_iter().next().flatten();
            if let Some(why) = stored.and_then(|stored| find_problem(collection, &row.id, &stored)) {
                self.report.add(Finding::damage(key.to_string(), why));
            }
        }
        Ok(())
    }
}

/// The first problem of a document by itself.
fn find_problem(collection: &Collection, id: &str, stored: &Stored) -> Option<String> {
    let known = collection.version;
    if !(1..=known).contains(&stored.version) {
        return Some(format!("it is of schema version {}; this program knows versions 1 to {known}", stored.version));
    }
    if let Err(violation) = schema::check(collection, &stored.document) {
        return Some(violation.to_string());
    }
    let declares_id = collection.fields.iter().any(|field| field.name == "id" && field.kind == Kind::Id);
    let own = stored.document.get("id").and_then(Json::as_str);
    if declares_id && own != Some(id) {
        return Some(format!("its field `id` is `{}`", own.unwrap_or_default()));
    }
    if collection.name == COMMANDS.name {
        let fingerprint = stored.document.get("fingerprint").and_then(Json::as_str).unwrap_or_default();
        return match CommandId::recorded(id) {
            Err(why) => Some(format!("its id cannot be the id of a command: {why}")),
            Ok(_) => fingerprint.is_empty().then(|| "it has no fingerprint".to_owned()),
        };
    }
    None
}
