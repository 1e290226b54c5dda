//! Roles of least privilege. Each one inherits those before it: a reader reads, a worker also changes everything but
//! definitions, an operator changes those too, and an owner prepares the databases.

use std::collections::BTreeSet;

use runstate_store::StoreError;
use serde::Serialize;

use super::open::ARTIFACTS_BUCKET;
use super::{META, Namespace, options};

/// The database in which roles are created. Only its roles may have privileges on several databases.
const ADMIN: &str = "admin";

/// A command that creates a role.
#[derive(Debug, Serialize)]
pub struct CreateRole {
    #[serde(rename = "createRole")]
    name: String,
    privileges: Vec<Privilege>,
    roles: Vec<InheritedRole>,
}

/// Actions on a collection.
#[derive(Debug, Serialize)]
struct Privilege {
    resource: Resource,
    actions: &'static [&'static str],
}

/// A collection. An empty name is that of all collections.
#[derive(Debug, Serialize)]
struct Resource {
    db: String,
    collection: String,
}

/// A role that another one inherits.
#[derive(Debug, Serialize)]
struct InheritedRole {
    role: String,
    db: &'static str,
}

impl Privilege {
    fn new(namespace: Namespace, actions: &'static [&'static str]) -> Self {
        let Namespace { database: db, collection } = namespace;
        Self { resource: Resource { db, collection }, actions }
    }
}

/// The commands that create the roles of a store at `url` with these collections. A worker only reads those in
/// `read_only`. No server is contacted.
///
/// Errors: [`StoreError::InvalidUrl`].
pub async fn commands(url: &str, collections: &[&str], read_only: &[&str]) -> Result<Vec<CreateRole>, StoreError> {
    let layout = options::parse_url(url).await?.layout;
    let all = collections.iter().map(|name| layout.namespace(name)).chain([layout.namespace(META)]);
    let databases: BTreeSet<String> = all.map(|namespace| namespace.database).collect();
    let on_databases = |actions: &'static [&'static str]| -> Vec<Privilege> {
        let whole = |database: &String| Namespace { database: database.clone(), collection: String::new() };
        databases.iter().map(|database| Privilege::new(whole(database), actions)).collect()
    };
    let mut reader = on_databases(&["find", "changeStream", "listIndexes", "collStats"]);
    if databases.len() > 1 {
        // A change stream over several databases is one over the cluster.
        let cluster = Namespace { database: String::new(), collection: String::new() };
        reader.push(Privilege::new(cluster, &["find", "changeStream"]));
    }
    let written = collections.iter().filter(|name| !read_only.contains(name));
    let write = |name: &&str| Privilege::new(layout.namespace(name), &["insert", "update", "remove"]);
    let mut worker: Vec<Privilege> = written.map(write).collect();
    // Linearizable reads and commits write one document of the metadata.
    worker.push(Privilege::new(layout.namespace(META), &["insert", "update"]));
    let bucket = layout.namespace(&format!("apps.{ARTIFACTS_BUCKET}")).database;
    worker.extend(["files", "chunks"].map(|part| {
        let namespace = Namespace { database: bucket.clone(), collection: format!("{ARTIFACTS_BUCKET}.{part}") };
        // The first upload creates the indexes of the bucket.
        Privilege::new(namespace, &["insert", "update", "remove", "createCollection", "createIndex"])
    }));
    let operator = on_databases(&["insert", "update", "remove"]);
    let owner = on_databases(&["listCollections", "createCollection", "collMod", "createIndex", "dropIndex"]);

    let store = layout.namespace(META).database;
    let mut commands: Vec<CreateRole> = Vec::new();
    for (role, privileges) in [("reader", reader), ("worker", worker), ("operator", operator), ("owner", owner)] {
        let inherited = commands.last().map(|before| InheritedRole { role: before.name.clone(), db: ADMIN });
        commands.push(CreateRole {
            name: format!("{store}_{role}"),
            privileges,
            roles: inherited.into_iter().collect(),
        });
    }
    Ok(commands)
}
