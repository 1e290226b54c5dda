//! Creates collections and indexes as a catalog declares them. Those that exist are only read, so that a user without
//! the right to create indexes can start on a prepared database.

use std::sync::Arc;

use mongodb::bson::{Bson, Document as Spec, doc};
use mongodb::error::Error as DriverError;
use runstate_core::marker::BoxFuture;
use runstate_core::schema::{Catalog, Collection, Key};
use runstate_store::StoreError;

use super::codec::CollectionCodec;
use super::indexes::{IndexSpec, required_indexes};
use super::meta::{CollectionMeta, StoreMeta};
use super::retry::AttemptError;
use super::time_series::TimeSeriesOptions;
use super::{Declarations, META, Mongo, error_mapping};
use crate::{meta, read, read_fence, retry, time_series};

/// The collection does not exist.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// The collection exists: another process created it meanwhile.
const NAMESPACE_EXISTS: i32 = 48;
/// A different index has the same name or the same fields.
const INDEX_CONFLICTS: [i32; 2] = [85, 86];

/// The indexes of a collection.
#[derive(Default)]
pub(super) struct IndexListing {
    /// Finished indexes.
    pub(super) finished: Vec<Spec>,
    /// Names of the indexes that the server is still building, which have no effect yet.
    pub(super) unfinished: Vec<String>,
}

/// The planned changes to one collection.
struct CollectionMigration {
    codec: Arc<CollectionCodec>,
    /// Whether the collection does not exist.
    missing: bool,
    /// The change of the time to live that an existing time series needs.
    expiry: Option<Spec>,
    /// Indexes to create.
    created: Vec<IndexSpec>,
    /// Indexes of an older declaration that cannot exist beside them.
    replaced: Vec<Spec>,
    /// Indexes of the store that nothing declares any more.
    dropped: Vec<String>,
    /// The new metadata, if it differs from the recorded one.
    meta: Option<CollectionMeta>,
}

/// Why indexes were not created.
enum IndexBuildError {
    /// The server created none of them, and will not.
    Refused(StoreError),
    /// The server may still be building them.
    InProgress(StoreError),
}

impl From<StoreError> for IndexBuildError {
    fn from(error: StoreError) -> Self {
        IndexBuildError::Refused(error)
    }
}

impl Mongo {
    /// Migrates the store to a catalog. If an index build exceeds the time limit of a call, the error is
    /// [`StoreError::Unavailable`]. The server continues the build, and the next migration waits for it.
    pub(super) async fn do_migrate(&self, catalog: &Catalog) -> Result<(), StoreError> {
        let meta = meta::read_meta(self).await?;
        let mut declarations = self.declarations_for(catalog, &meta)?;
        let mut migrations = Vec::new();
        for codec in declarations.collections.values() {
            migrations.push(self.plan_migration(codec.clone(), meta.collections.get(codec.collection.name)).await?);
        }
        self.record_all_pending_indexes(&migrations).await?;
        self.create_missing(&migrations).await?;
        for migration in &migrations {
            self.change_expiry(migration).await?;
            self.drop_indexes(migration.codec.collection.name, &migration.dropped).await?;
            if let Some(collection_meta) = &migration.meta {
                meta::record_collection(
                    self,
                    migration.codec.collection.name,
                    migration.codec.collection.version,
                    collection_meta,
                )
                .await?;
            }
        }
        let is_new = migrations.iter().any(|migration| migration.meta.is_some());
        if is_new || !meta.is_published() {
            match meta::publish_fingerprint(self, catalog).await {
                Ok(fingerprint) => declarations.schema_fingerprint = fingerprint,
                // A process that stopped before publishing recorded these versions. A process with the privilege
                // publishes them.
                Err(StoreError::NotAuthorized { .. }) if !is_new => {}
                Err(error) => return Err(error),
            }
        }
        self.set_declarations(declarations);
        self.schema_check.restart();
        Ok(())
    }

    /// Declares a catalog without creating anything.
    pub(super) async fn do_declare(&self, catalog: &Catalog) -> Result<(), StoreError> {
        let meta = meta::read_meta(self).await?;
        let declarations = self.declarations_for(catalog, &meta)?;
        self.set_declarations(declarations);
        Ok(())
    }

    /// The declarations of a catalog. If a newer program has migrated the store, sets them for reading and fails.
    fn declarations_for(&self, catalog: &Catalog, meta: &StoreMeta) -> Result<Declarations, StoreError> {
        let declarations =
            Declarations { schema_fingerprint: meta.published_fingerprint(), ..Declarations::new(catalog) };
        match meta.newer_version_error(catalog) {
            None => Ok(declarations),
            Some(newer) => {
                self.set_declarations(Declarations { read_only_reason: Some(newer.clone()), ..declarations });
                Err(newer)
            }
        }
    }

    async fn plan_migration(
        &self,
        codec: Arc<CollectionCodec>,
        recorded: Option<&CollectionMeta>,
    ) -> Result<CollectionMigration, StoreError> {
        let wanted = required_indexes(&codec)?;
        let name = codec.collection.name;
        let expiry = self.plan_expiry(codec.collection, recorded).await?;
        let existing = self.list_indexes(name).await?;
        let missing = existing.is_none();
        if !missing && recorded.is_none() {
            self.reject_foreign_documents(codec.collection).await?;
        }
        // A missing index that is already being built is requested again, which waits for the build.
        let existing = existing.unwrap_or_default().finished;
        let is_own = |found: &Spec| recorded.is_some_and(|recorded| recorded.has_index(found));
        let mut migration = CollectionMigration {
            codec,
            missing,
            expiry,
            created: Vec::new(),
            replaced: Vec::new(),
            dropped: Vec::new(),
            meta: None,
        };
        let mut records = Vec::new();
        for index in &wanted {
            match existing.iter().find(|found| index.matches(found)) {
                // An index that an operator created serves as well, and remains the operator's.
                Some(found) => {
                    let name = found.get_str("name").unwrap_or(&index.name);
                    records.extend(is_own(found).then(|| index.with_name(name).record()));
                }
                None => {
                    migration
                        .replaced
                        .extend(existing.iter().filter(|found| is_own(found) && index.conflicts_with(found)).cloned());
                    // An older index of the store with the same name stays until this one exists: uniqueness holds at
                    // every moment.
                    let remains = |found: &&Spec| is_own(found) && !migration.replaced.contains(found);
                    let index =
                        index.with_free_name(|name| existing.iter().filter(remains).any(|found| has_name(found, name)));
                    records.push(index.record());
                    migration.created.push(index);
                }
            }
        }
        let unwanted =
            existing.iter().filter(|found| is_own(found) && !wanted.iter().any(|index| index.matches(found)));
        let unwanted = unwanted.filter(|found| !migration.replaced.contains(found));
        migration.dropped = unwanted.filter_map(|found| found.get_str("name").ok()).map(str::to_owned).collect();
        let version = i64::from(migration.codec.collection.version);
        let planned = CollectionMeta { version, indexes: records, pending_indexes: Vec::new() };
        // Pending indexes that exist by now do not count as a difference.
        let is_recorded = recorded
            .is_some_and(|recorded| (recorded.version, &recorded.indexes) == (planned.version, &planned.indexes));
        migration.meta = (!is_recorded).then_some(planned);
        Ok(migration)
    }

    /// Rejects a collection that this store has not made, and that has documents of another program: an index with a
    /// time to live would delete them, and a unique one would refuse its writes.
    async fn reject_foreign_documents(&self, collection: &Collection) -> Result<(), StoreError> {
        if collection.detached.is_some() {
            return Ok(());
        }
        let find = || -> BoxFuture<'_, Result<Option<String>, AttemptError>> {
            Box::pin(async {
                let options = doc! {"filter": {"_rev": {"$exists": false}}, "projection": {"_id": 1}, "limit": 1};
                let mut cursor = read::find(self, collection.name, options, 1).await?;
                let Some(found) = cursor.advance().await?.then(|| cursor.current().get("_id")) else { return Ok(None) };
                Ok(Some(found.ok().flatten().map_or_else(String::new, |id| format!("{id:?}"))))
            })
        };
        match retry::retry(self, &format!("reading {}", collection.name), find).await? {
            None => Ok(()),
            Some(id) => Err(StoreError::UnsuitableCollection {
                collection: collection.name.to_owned(),
                found: format!("a collection with documents of another program, such as {id}"),
                wanted: "empty, or written by runstate".to_owned(),
                advice: "Name another database, and `import` these documents there".to_owned(),
            }),
        }
    }

    /// The indexes of a collection. `None` if the collection does not exist.
    pub(super) async fn list_indexes(&self, name: &str) -> Result<Option<IndexListing>, StoreError> {
        let list = || -> BoxFuture<'_, Result<Option<IndexListing>, AttemptError>> {
            Box::pin(async {
                let namespace = self.layout.namespace(name);
                let batch = doc! {"batchSize": 10_000};
                let list = doc! {"listIndexes": namespace.collection, "cursor": batch, "includeBuildUUIDs": true};
                match self.client.database(&namespace.database).run_command(list).await {
                    Ok(reply) => {
                        self.server_time.observe(&reply);
                        Ok(Some(parse_index_listing(&reply)))
                    }
                    Err(error) if error_mapping::error_code(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            })
        };
        retry::retry(self, &format!("listing the indexes of {name}"), list).await
    }

    async fn record_all_pending_indexes(&self, migrations: &[CollectionMigration]) -> Result<(), StoreError> {
        for migration in migrations.iter().filter(|migration| !migration.created.is_empty()) {
            let pending: Vec<Spec> = migration.created.iter().map(IndexSpec::record).collect();
            meta::record_pending_indexes(self, migration.codec.collection.name, &pending).await?;
        }
        Ok(())
    }

    /// Creates what is missing, in every collection or in none. A build that takes longer than a call is not rolled
    /// back.
    async fn create_missing(&self, migrations: &[CollectionMigration]) -> Result<(), StoreError> {
        for (count, migration) in migrations.iter().enumerate() {
            if let Err(error) = self.create_missing_in(migration).await {
                let error = match error {
                    IndexBuildError::Refused(error) => error,
                    IndexBuildError::InProgress(error) => return Err(error),
                };
                for created in migrations.iter().take(count) {
                    self.roll_back(created).await;
                }
                // The server created none of the indexes that it refused.
                self.restore_replaced(migration).await;
                self.clear_pending_indexes(migrations).await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn create_missing_in(&self, migration: &CollectionMigration) -> Result<(), IndexBuildError> {
        let name = migration.codec.collection.name;
        if migration.missing {
            self.create_collection(migration.codec.collection).await?;
        }
        let conflicting = migration.replaced.iter().filter_map(|index| index.get_str("name").ok().map(str::to_owned));
        self.drop_indexes(name, &conflicting.collect::<Vec<_>>()).await?;
        let specs: Vec<Spec> = migration.created.iter().map(IndexSpec::spec).collect();
        self.create_indexes(name, specs).await
    }

    async fn create_collection(&self, collection: &Collection) -> Result<(), StoreError> {
        let (name, namespace) = (collection.name, self.layout.namespace(collection.name));
        let mut create = doc! {"create": namespace.collection, "writeConcern": {"w": "majority"}};
        create.extend(TimeSeriesOptions::of(collection).map(|options| options.creation()).unwrap_or_default());
        let doing = format!("creating the collection {name}");
        self.run_idempotent(&namespace.database, create, &doing, NAMESPACE_EXISTS).await?;
        // Another program may have created it meanwhile.
        self.plan_expiry(collection, None).await.map(drop)
    }

    /// The change of the time to live that an existing time series needs. Fails if the existing collection cannot hold
    /// its rows.
    async fn plan_expiry(
        &self,
        collection: &Collection,
        recorded: Option<&CollectionMeta>,
    ) -> Result<Option<Spec>, StoreError> {
        let Some(wanted) = TimeSeriesOptions::of(collection) else { return Ok(None) };
        match time_series::find_collection(self, collection.name).await {
            Ok(None) => Ok(None),
            Ok(Some(found)) => wanted.missing_expiry(collection.name, &found, recorded.is_some()),
            // A user without this privilege may use a prepared collection.
            Err(StoreError::NotAuthorized { .. }) if recorded.is_some_and(|recorded| recorded.version > 0) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes the time to live of a time series to the declared one.
    async fn change_expiry(&self, migration: &CollectionMigration) -> Result<(), StoreError> {
        let Some(change) = &migration.expiry else { return Ok(()) };
        let name = migration.codec.collection.name;
        let namespace = self.layout.namespace(name);
        let mut command = doc! {"collMod": namespace.collection, "writeConcern": {"w": "majority"}};
        command.extend(change.clone());
        let doing = format!("changing the time to live of {name}");
        self.run_idempotent(&namespace.database, command, &doing, NAMESPACE_NOT_FOUND).await
    }

    async fn create_indexes(&self, name: &str, specs: Vec<Spec>) -> Result<(), IndexBuildError> {
        if specs.is_empty() {
            return Ok(());
        }
        let namespace = self.layout.namespace(name);
        let wanted: Vec<String> =
            specs.iter().filter_map(|spec| spec.get_str("name").ok().map(str::to_owned)).collect();
        let create = doc! {"createIndexes": namespace.collection, "indexes": specs, "writeConcern": {"w": "majority"}};
        let database = self.client.database(&namespace.database);
        let run = async { database.run_command(create).await };
        match tokio::time::timeout(self.call_timeout, run).await {
            Ok(Ok(reply)) => {
                self.server_time.observe(&reply);
                let doing = format!("creating the indexes of {name}");
                read_fence::ensure_majority(self, &reply, &doing)
                    .map_err(|error| IndexBuildError::InProgress(retry::map_attempt_error(self, error, &doing)))?;
                self.expect_finished(name, &wanted).await
            }
            Ok(Err(error)) if error_mapping::is_failover(&error) => {
                Err(IndexBuildError::InProgress(self.index_error(name, &error).await))
            }
            Ok(Err(error)) => Err(IndexBuildError::Refused(self.index_error(name, &error).await)),
            Err(_) => Err(IndexBuildError::InProgress(self.unfinished_error(name).await)),
        }
    }

    /// Checks that the server has finished these indexes. It may confirm a request at once for an index that another
    /// request is building, and that build may still fail.
    async fn expect_finished(&self, name: &str, wanted: &[String]) -> Result<(), IndexBuildError> {
        let finished = self.list_indexes(name).await.map_err(IndexBuildError::InProgress)?.unwrap_or_default().finished;
        match wanted.iter().all(|index| finished.iter().any(|found| has_name(found, index))) {
            true => Ok(()),
            false => {
                let what = self.describe_operation(&format!("creating the indexes of {name}"));
                let why = "the server has confirmed them before they were built; try again".to_owned();
                Err(IndexBuildError::InProgress(StoreError::Unavailable { what, why }))
            }
        }
    }

    /// The error for indexes that are not built yet. If listing the indexes fails too, its error is returned.
    async fn unfinished_error(&self, name: &str) -> StoreError {
        let what = self.describe_operation(&format!("creating the indexes of {name}"));
        let unfinished = match self.list_indexes(name).await {
            Ok(listing) => listing.unwrap_or_default().unfinished.join(", "),
            Err(error) => return error,
        };
        let seconds = self.call_timeout.as_secs();
        let why = format!(
            "the server is still building them after {seconds} seconds ({unfinished}), and continues by itself; try again \
             later, or raise `timeoutMS`"
        );
        StoreError::Unavailable { what, why }
    }

    async fn index_error(&self, name: &str, error: &DriverError) -> StoreError {
        if error_mapping::error_code(error) == Some(error_mapping::DUPLICATE_KEY) {
            return self.unique_violation(name, error).await;
        }
        let doing = format!("creating the indexes of {name}");
        if error_mapping::error_code(error).is_some_and(|code| INDEX_CONFLICTS.contains(&code)) {
            let why = format!("a different index conflicts with them; drop it, or create it as declared ({error})");
            return StoreError::Unavailable { what: self.describe_operation(&doing), why };
        }
        self.map_error(error, &doing)
    }

    /// The error for documents that share an entry of a unique index. It names one of them.
    async fn unique_violation(&self, name: &str, error: &DriverError) -> StoreError {
        let reply = error.server_response().and_then(|reply| Spec::try_from(&**reply).ok()).unwrap_or_default();
        let index = reply.get_document("keyPattern").map(error_mapping::index_name).unwrap_or_default();
        let values = reply.get_document("keyValue").cloned().unwrap_or_default();
        let found = retry::retry(self, "finding documents that share an index entry", || {
            Box::pin(self.find_second_match(name, &values))
        })
        .await;
        let id = found.ok().flatten().unwrap_or_else(|| "?".to_owned());
        StoreError::UniqueViolation { key: Key { collection: name.to_owned().into(), id: id.into() }, index }
    }

    /// The id of the second document with such values.
    async fn find_second_match(&self, name: &str, values: &Spec) -> Result<Option<String>, AttemptError> {
        let mut cursor = self.collection(name).find(values.clone()).projection(doc! {"_id": 1}).limit(2).await?;
        let mut id = None;
        while cursor.advance().await? {
            id = cursor.current().get_str("_id").ok().map(str::to_owned);
        }
        Ok(id)
    }

    async fn drop_indexes(&self, name: &str, names: &[String]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let namespace = self.layout.namespace(name);
        let drop = doc! {"dropIndexes": namespace.collection, "index": names, "writeConcern": {"w": "majority"}};
        self.run_idempotent(
            &namespace.database,
            drop,
            &format!("dropping indexes of {name}"),
            error_mapping::INDEX_NOT_FOUND,
        )
        .await
    }

    /// Runs a command within the time of one call. The error code `done_code` means that it was run before.
    async fn run_idempotent(
        &self,
        database: &str,
        command: Spec,
        doing: &str,
        done_code: i32,
    ) -> Result<(), StoreError> {
        let database = self.client.database(database);
        let run = || -> BoxFuture<'_, Result<(), AttemptError>> {
            let run = database.run_command(command.clone());
            Box::pin(async {
                match run.await {
                    Ok(reply) => read_fence::ensure_majority(self, &reply, doing),
                    Err(error) if error_mapping::error_code(&error) == Some(done_code) => Ok(()),
                    Err(error) => Err(error.into()),
                }
            })
        };
        retry::retry(self, doing, run).await
    }

    /// Drops the created indexes, best effort. The caller reports the first error; an extra index does less harm.
    async fn roll_back(&self, migration: &CollectionMigration) {
        let names: Vec<String> = migration.created.iter().map(|index| index.name.clone()).collect();
        if self.drop_indexes(migration.codec.collection.name, &names).await.is_ok() {
            self.restore_replaced(migration).await;
        }
    }

    /// Creates the replaced indexes again. If that fails, the next migration creates them.
    async fn restore_replaced(&self, migration: &CollectionMigration) {
        drop(self.create_indexes(migration.codec.collection.name, migration.replaced.clone()).await);
    }

    /// Clears the pending indexes. If that fails, an index that another program creates later under such a name is
    /// taken for the store's.
    async fn clear_pending_indexes(&self, migrations: &[CollectionMigration]) {
        let namespace = self.layout.namespace(META);
        let names: Vec<&str> = migrations.iter().map(|migration| migration.codec.collection.name).collect();
        let update = doc! {"q": {"_id": {"$in": names}}, "u": {"$unset": {"making": ""}}, "multi": true};
        let command = doc! {"update": namespace.collection, "updates": [update], "writeConcern": {"w": "majority"}};
        drop(
            self.run_idempotent(&namespace.database, command, "clearing the pending indexes", NAMESPACE_NOT_FOUND)
                .await,
        );
    }
}

fn has_name(index: &Spec, name: &str) -> bool {
    index.get_str("name").is_ok_and(|own| own == name)
}

/// Parses the reply to `listIndexes` with `includeBuildUUIDs`. An index that is being built is nested in `spec`, beside
/// the id of its build.
fn parse_index_listing(reply: &Spec) -> IndexListing {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let mut listing = IndexListing::default();
    for found in batch.map(Vec::as_slice).unwrap_or_default().iter().filter_map(Bson::as_document) {
        match found.get_document("spec") {
            Ok(spec) => listing.unfinished.extend(spec.get_str("name").map(str::to_owned)),
            Err(_) => listing.finished.push(found.clone()),
        }
    }
    listing
}
