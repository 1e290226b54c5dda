//! Opening: connects to the servers and finds the store, or creates it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use mongodb::bson::{Document as BsonDocument, doc};
use mongodb::error::Error as DriverError;
use mongodb::options::{ReadConcern, ReturnDocument, WriteConcern};
use mongodb::{Client, Database};
use runstate_store::StoreError;
use runstate_store_server::new_id;

use super::{Declarations, Layout, META, Mongo, MongoOptions, Namespace, error_mapping, options};

/// The format that this version writes, and the newest that it reads.
const FORMAT: i64 = 1;

/// The server does not accept the name of the database, or has one whose name differs only in case.
const INVALID_NAME_CODES: [Option<i32>; 2] = [Some(73), Some(13_297)];

/// The id of the store's own meta document.
pub(super) const STORE: &str = "store";

impl Mongo {
    /// Opens the store at `url`. If there is none, creates it, unless [`MongoOptions::must_exist`] is set.
    ///
    /// Errors: [`StoreError::InvalidUrl`] if the URL is not valid. [`StoreError::NotAuthorized`],
    /// [`StoreError::NotAReplicaSet`] or
    /// [`StoreError::Unavailable`] if the server refuses, is not a member of a replica set, or cannot be reached. [`StoreError::NewerVersion`]
    /// if a newer program created the store.
    pub async fn open(url: &str, options: MongoOptions) -> Result<Self, StoreError> {
        let options::ConnectionSettings { mut client, layout, call_timeout } = options::parse_url(url).await?;
        options.install_observer(&mut client);
        let hosts = client.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let doing = format!("opening {}, on MongoDB at {hosts}", layout.describe());
        // No server was contacted yet, so the error is in the URL: a certificate file that does not exist, for example.
        let client = Client::with_options(client)
            .map_err(|error| StoreError::InvalidUrl { why: options::driver_message(&error) })?;
        let opening = find_or_create_store(&client, &layout, &options, &doing);
        let id = match tokio::time::timeout(call_timeout, opening).await {
            Ok(found) => found?,
            Err(_) => return Err(StoreError::Timeout { what: doing, seconds: call_timeout.as_secs().max(1) }),
        };
        let declarations = Arc::new(RwLock::new(Arc::new(Declarations::default())));
        Ok(Self {
            client,
            layout,
            hosts,
            call_timeout,
            id,
            declarations,
            closed: Arc::new(AtomicBool::new(false)),
            in_flight: Arc::default(),
            read_fence: Default::default(),
            confirmed_time: Default::default(),
            schema_check: Default::default(),
            server_time: Default::default(),
        })
    }

    /// Closes all connections, after the commits in flight have ended.
    pub(super) async fn shut_down(&self) {
        drop(self.in_flight.write().await);
        self.client.clone().shutdown().immediate(true).await;
    }
}

/// The bucket of GridFS in the database of the domain `apps`, as the schema of that domain has it.
pub const ARTIFACTS_BUCKET: &str = "artifacts";

/// The database in which a store at `url` has the collection `name`, with a client of its own, for data beside the
/// documents. No server is contacted.
///
/// Errors: [`StoreError::InvalidUrl`].
pub async fn database(url: &str, name: &str) -> Result<Database, StoreError> {
    let options::ConnectionSettings { client, layout, .. } = options::parse_url(url).await?;
    let client = Client::with_options(client)
        .map_err(|error| StoreError::InvalidUrl { why: options::driver_message(&error) })?;
    Ok(client.database(&layout.namespace(name).database))
}

/// The id of the store in these databases. Creates the store if there is none.
async fn find_or_create_store(
    client: &Client,
    layout: &Layout,
    options: &MongoOptions,
    doing: &str,
) -> Result<String, StoreError> {
    let failed = |error: DriverError| error_mapping::to_store_error(&error, doing);
    let namespace = layout.namespace(META);
    let database = client.database(&namespace.database);
    require_replica_set(&database, doing).await?;
    let meta = database.collection::<BsonDocument>(&namespace.collection);
    let (selector, majority) = (doc! {"_id": STORE}, ReadConcern::majority());
    if let Some(found) = meta.find_one(selector.clone()).read_concern(majority).await.map_err(failed)? {
        return parse_store_id(&found, &namespace);
    }
    if options.must_exist {
        let why = format!(
            "there is no store in {}, and nothing was created; check the name, or load or run a program to create one",
            layout.describe()
        );
        return Err(StoreError::Unavailable { what: doing.to_owned(), why });
    }
    let created = meta
        .find_one_and_update(selector, doc! {"$setOnInsert": {"format": FORMAT, "store": new_id(doing)?}})
        .upsert(true)
        .return_document(ReturnDocument::After)
        .write_concern(WriteConcern::majority());
    match created.await {
        Ok(created) => parse_store_id(&created.unwrap_or_default(), &namespace),
        // Of two processes that create the store at once, one may get this error.
        Err(error) if error_mapping::error_code(&error) == Some(error_mapping::DUPLICATE_KEY) => {
            let found =
                meta.find_one(doc! {"_id": STORE}).read_concern(ReadConcern::majority()).await.map_err(failed)?;
            parse_store_id(&found.unwrap_or_default(), &namespace)
        }
        Err(error) if INVALID_NAME_CODES.contains(&error_mapping::error_code(&error)) => {
            Err(StoreError::InvalidUrl { why: failed(error).to_string() })
        }
        Err(error) => Err(failed(error)),
    }
}

/// Only replica sets, and clusters of them, have transactions and change streams.
async fn require_replica_set(database: &Database, doing: &str) -> Result<(), StoreError> {
    let reply =
        database.run_command(doc! {"hello": 1}).await.map_err(|error| error_mapping::to_store_error(&error, doing))?;
    let is_router = reply.get_str("msg").is_ok_and(|name| name == "isdbgrid");
    if reply.contains_key("setName") || is_router {
        Ok(())
    } else {
        Err(StoreError::NotAReplicaSet { what: doing.to_owned() })
    }
}

/// The store's id, from its meta document.
fn parse_store_id(found: &BsonDocument, namespace: &Namespace) -> Result<String, StoreError> {
    let at = || format!("{}.{}/{STORE}", namespace.database, namespace.collection);
    let format = found.get("format").and_then(to_integer);
    match (format, found.get_str("store")) {
        (Some(format), _) if format > FORMAT => {
            let (found, supported) = (format.unsigned_abs(), FORMAT.unsigned_abs());
            Err(StoreError::NewerVersion { what: at(), found, supported })
        }
        (Some(_), Ok(store)) => Ok(store.to_owned()),
        _ => Err(StoreError::Corrupt {
            at: at(),
            why: "its field `format` or `store` is not valid; restore this document from a backup".to_owned(),
        }),
    }
}

/// The integer in a BSON `int` or `long`.
pub(super) fn to_integer(value: &mongodb::bson::Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
