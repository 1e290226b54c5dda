//! Opening: finding the servers, and the store in them, which is made where there is none.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use mongodb::bson::{Document as Bson, doc};
use mongodb::error::Error as Fault;
use mongodb::options::{ReadConcern, ReturnDocument, WriteConcern};
use mongodb::{Client, Database};

use super::names::{Layout, META, Place};
use super::{Declarations, Mongo, Options, faults, options};
use crate::id::uuid_v7;
use crate::store::Error;
use crate::time::Timestamp;

/// What this version writes, and the newest it reads.
const FORMAT: i64 = 1;

/// The server takes no database of that name, or has one whose name differs in capitals only.
const UNFIT: [Option<i32>; 2] = [Some(73), Some(13_297)];

/// The meta document of the store itself.
pub(super) const STORE: &str = "store";

impl Mongo {
    /// Opens the store at `url`, and makes one where there is none.
    ///
    /// [`Error::InvalidUrl`]: the URL is not understood. [`Error::NotAuthorized`], [`Error::NotAReplicaSet`], [`Error::Unavailable`]: the server
    /// refuses, is none of a replica set, or cannot be reached. [`Error::NewerVersion`]: a newer program made the store.
    pub async fn open(url: &str, options: Options) -> Result<Self, Error> {
        let options::Read { mut client, layout, patience } = options::read(url).await?;
        options.watch(&mut client);
        let hosts = client.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let doing = format!("opening {}, on MongoDB at {hosts}", layout.describe());
        // No server was asked yet: what is wrong here is what the URL says, certificates that are not there for one.
        let client = Client::with_options(client).map_err(|fault| Error::InvalidUrl { why: options::words(&fault) })?;
        let opening = find(&client, &layout, &options, &doing);
        let id = match tokio::time::timeout(patience, opening).await {
            Ok(found) => found?,
            Err(_) => return Err(Error::Timeout { what: doing, seconds: patience.as_secs().max(1) }),
        };
        let declared = Arc::new(RwLock::new(Arc::new(Declarations::default())));
        Ok(Self {
            client,
            layout,
            hosts,
            patience,
            id,
            declared,
            closed: Arc::new(AtomicBool::new(false)),
            under_way: Arc::default(),
            barriers: Default::default(),
            clock: Default::default(),
            asked: Default::default(),
            time: Default::default(),
            turns: Default::default(),
            holds: Default::default(),
            streams: Default::default(),
        })
    }

    /// Lets go of all connections, when what was sent before has ended.
    pub(super) async fn end(&self) {
        drop(self.under_way.write().await);
        self.streams.clear();
        self.client.clone().shutdown().immediate(true).await;
    }
}

/// The id of the store in these databases, which is made where there is none.
async fn find(client: &Client, layout: &Layout, options: &Options, doing: &str) -> Result<String, Error> {
    let failed = |fault: Fault| faults::error(&fault, doing);
    let place = layout.place(META);
    let database = client.database(&place.database);
    require_replica_set(&database, doing).await?;
    let meta = database.collection::<Bson>(&place.collection);
    let (ours, majority) = (doc! {"_id": STORE}, ReadConcern::majority());
    if let Some(found) = meta.find_one(ours.clone()).read_concern(majority).await.map_err(failed)? {
        return identity(&found, &place);
    }
    if options.existing {
        let why = format!(
            "there is no store in {}; nothing was made; look at the name, or load or run a program to make one",
            layout.describe()
        );
        return Err(Error::Unavailable { what: doing.to_owned(), why });
    }
    let made = meta
        .find_one_and_update(ours, doc! {"$setOnInsert": {"format": FORMAT, "store": new_id(doing)?}})
        .upsert(true)
        .return_document(ReturnDocument::After)
        .write_concern(WriteConcern::majority());
    match made.await {
        Ok(made) => identity(&made.unwrap_or_default(), &place),
        // Of two who make it at once one may be told that the other was faster.
        Err(fault) if faults::number(&fault) == Some(faults::DUPLICATE_KEY) => {
            let found =
                meta.find_one(doc! {"_id": STORE}).read_concern(ReadConcern::majority()).await.map_err(failed)?;
            identity(&found.unwrap_or_default(), &place)
        }
        Err(fault) if UNFIT.contains(&faults::number(&fault)) => {
            Err(Error::InvalidUrl { why: failed(fault).to_string() })
        }
        Err(fault) => Err(failed(fault)),
    }
}

/// Transactions and change streams are those of replica sets and of clusters of them.
async fn require_replica_set(database: &Database, doing: &str) -> Result<(), Error> {
    let said = database.run_command(doc! {"hello": 1}).await.map_err(|fault| faults::error(&fault, doing))?;
    let router = said.get_str("msg").is_ok_and(|name| name == "isdbgrid");
    if said.contains_key("setName") || router { Ok(()) } else { Err(Error::NotAReplicaSet { what: doing.to_owned() }) }
}

/// What the meta document says of the store.
fn identity(found: &Bson, place: &Place) -> Result<String, Error> {
    let at = || format!("{}.{}/{STORE}", place.database, place.collection);
    let format = found.get("format").and_then(whole);
    match (format, found.get_str("store")) {
        (Some(format), _) if format > FORMAT => {
            let (found, supported) = (format.unsigned_abs(), FORMAT.unsigned_abs());
            Err(Error::NewerVersion { what: at(), found, supported })
        }
        (Some(_), Ok(store)) => Ok(store.to_owned()),
        _ => Err(Error::Corrupt { at: at(), why: "it does not say which store it is of".to_owned() }),
    }
}

/// A number as any program may have written it.
pub(super) fn whole(value: &mongodb::bson::Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

fn new_id(doing: &str) -> Result<String, Error> {
    let mut random = [0u8; 10];
    getrandom::fill(&mut random).map_err(|why| Error::Unavailable {
        what: doing.to_owned(),
        why: format!("this machine gives no random numbers, which a new store needs for its name ({why})"),
    })?;
    let now = mongodb::bson::DateTime::now().timestamp_millis();
    Ok(uuid_v7(Timestamp::from_millis(now), random))
}
