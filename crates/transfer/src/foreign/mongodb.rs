//! Collections of another program on a MongoDB server.

use runstate_core::error_code::ErrorCode;
use runstate_core::operation::Domain;
use runstate_engine::name_invalid_url;
use runstate_engine::{Error, Phase, Progress};
use runstate_store_mongodb::ForeignDatabase;
use runstate_value::time::Timestamp;

use super::{ForeignDocuments, ForeignSource, InvalidDocument};

/// Reads the collections of `domain` from the database in the path of a URL; without one from the database with the
/// name of the domain. They have their names without that of the domain. Any server works, also one that is not in a
/// replica set. Nothing is written there.
///
/// Errors: `not_found` if the database has no document of them; `unsupported` if this build has no driver.
pub async fn read_server(
    url: &str,
    domain: &Domain,
    at: Timestamp,
    mut on_invalid: impl FnMut(InvalidDocument),
    mut progress: impl FnMut(Progress),
) -> Result<ForeignSource, Error> {
    let database = ForeignDatabase::open(url, domain.name).await.map_err(|error| name_invalid_url(url, error))?;
    let mut documents = ForeignDocuments::new(database.name(), domain.collections, at)?;
    let mut done = 0;
    for collection in domain.collections {
        let mut rows = database.find_declared(collection).await?;
        while let Some((id, document)) = rows.next().await? {
            if let Some(invalid) = documents.add(collection, &id, document)? {
                on_invalid(invalid);
            }
            done += 1;
            progress(Progress { phase: Phase::Check, done, of: None });
        }
    }
    if done == 0 {
        let bare = |name: &str| name.rsplit_once('.').map_or(name, |(_, bare)| bare).to_owned();
        let names: Vec<String> = domain.collections.iter().map(|collection| bare(collection.name)).collect();
        let message = format!(
            "{} contains no documents of the domain `{}` (collections {}); check its name",
            database.name(),
            domain.name,
            names.join(", ")
        );
        return Err(Error::new(ErrorCode::NOT_FOUND, message));
    }
    documents.finish(on_invalid)
}
