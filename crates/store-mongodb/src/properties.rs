//! Properties of the server and of the store's collections and indexes, for operators.

use mongodb::bson::{Bson, Document as Spec, doc};
use runstate_core::schema::Catalog;
use runstate_store::{Finding, StoreError, StoreProperty, VerifyReport};
use runstate_value::{Document, Json};
use serde_json::json;

use super::codec::CollectionCodec;
use super::indexes::{IndexSpec, required_indexes};
use super::migration::IndexListing;
use super::time_series::TimeSeriesOptions;
use super::{Declarations, Mongo};
use crate::time_series;

/// Sizes of a collection: the name of the property, and the field of `collStats`.
const SIZES: [(&str, &str); 4] =
    [("documents", "count"), ("bytes", "size"), ("storageBytes", "storageSize"), ("indexBytes", "totalIndexSize")];

pub(super) async fn read_properties(mongo: &Mongo) -> Result<Vec<StoreProperty>, StoreError> {
    let mut properties = vec![
        StoreProperty::new("server", server_version(mongo).await?),
        StoreProperty::new("hosts", mongo.hosts.as_str()),
        StoreProperty::new("layout", mongo.layout.describe()),
    ];
    properties.extend(replica_set(mongo).await?);
    properties.extend(sizes(mongo).await?);
    properties.extend(index_properties(mongo).await?);
    Ok(properties)
}

/// Runs a command. `None` if the user lacks the privilege: the property is then left out.
async fn run_if_authorized(mongo: &Mongo, database: &str, command: Spec) -> Result<Option<Spec>, StoreError> {
    let name = command.keys().next().cloned().unwrap_or_default();
    match mongo.client.database(database).run_command(command).await {
        Ok(reply) => Ok(Some(reply)),
        Err(error) => match mongo.map_error(&error, &format!("running {name}")) {
            StoreError::NotAuthorized { .. } => Ok(None),
            error => Err(error),
        },
    }
}

async fn server_version(mongo: &Mongo) -> Result<String, StoreError> {
    let reply = run_if_authorized(mongo, "admin", doc! {"buildInfo": 1}).await?;
    let version = reply.as_ref().and_then(|reply| reply.get_str("version").ok()).unwrap_or("(unknown version)");
    Ok(format!("MongoDB {version}"))
}

/// The replica set and the states of its members. Without the privilege to read states, only the primary is known.
async fn replica_set(mongo: &Mongo) -> Result<Vec<StoreProperty>, StoreError> {
    if let Some(status) = run_if_authorized(mongo, "admin", doc! {"replSetGetStatus": 1}).await? {
        let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
        let members = members.iter().filter_map(Bson::as_document).filter_map(|member| {
            Some((member.get_str("name").ok()?.to_owned(), Json::from(member.get_str("stateStr").ok()?)))
        });
        let members: Document = members.collect();
        let set = status.get_str("set").unwrap_or_default();
        return Ok(vec![StoreProperty::new("replicaSet", set), StoreProperty::new("members", Json::Object(members))]);
    }
    let hello = run_if_authorized(mongo, "admin", doc! {"hello": 1}).await?.unwrap_or_default();
    let primary = hello.get_str("primary").unwrap_or_default();
    let hosts = hello.get_array("hosts").map(Vec::as_slice).unwrap_or_default();
    let members = hosts.iter().filter_map(Bson::as_str).map(|host| {
        let state = if host == primary { "PRIMARY" } else { "unknown to this user" };
        (host.to_owned(), Json::from(state))
    });
    let set = hello.get_str("setName").unwrap_or_default();
    Ok(vec![StoreProperty::new("replicaSet", set), StoreProperty::new("members", Json::Object(members.collect()))])
}

/// The sizes of all collections.
async fn sizes(mongo: &Mongo) -> Result<Option<StoreProperty>, StoreError> {
    let mut sizes = Document::new();
    for name in mongo.declarations().collections.keys() {
        let namespace = mongo.layout.namespace(name);
        let Some(reply) =
            run_if_authorized(mongo, &namespace.database, doc! {"collStats": namespace.collection}).await?
        else {
            continue;
        };
        // The server does not count the rows of a time series.
        let size = |(property, field): (&str, &str)| {
            Some((property.to_owned(), Json::from(reply.get(field).and_then(number_to_integer)?)))
        };
        let collection_sizes = SIZES.into_iter().filter_map(size);
        sizes.insert((*name).to_owned(), Json::Object(collection_sizes.collect()));
    }
    Ok((!sizes.is_empty()).then(|| StoreProperty::new("sizes", Json::Object(sizes))))
}

/// The indexes that are as declared, that are missing, that others created, and that are being built.
async fn index_properties(mongo: &Mongo) -> Result<Vec<StoreProperty>, StoreError> {
    let mut comparison = IndexComparison::default();
    for (name, codec) in &mongo.declarations().collections {
        compare_indexes(mongo, name, codec, &mut comparison).await?;
    }
    let mut properties = vec![
        StoreProperty::new("indexesAsDeclared", comparison.declared),
        StoreProperty::new("indexesMissing", json!(comparison.missing)),
        StoreProperty::new("indexesOfOthers", json!(comparison.foreign)),
    ];
    if !comparison.unfinished.is_empty() {
        properties.push(StoreProperty::new("indexesBeingBuilt", json!(comparison.unfinished)));
    }
    Ok(properties)
}

/// Reports declared indexes that do not exist. The queries that need them do not fail, but scan the collection.
pub(super) async fn do_inspect(mongo: &Mongo, catalog: &Catalog) -> Result<VerifyReport, StoreError> {
    let mut comparison = IndexComparison::default();
    for (name, codec) in &Declarations::new(catalog).collections {
        compare_indexes(mongo, name, codec, &mut comparison).await?;
    }
    let mut report = VerifyReport::default();
    for index in comparison.missing {
        let why = match comparison.unfinished.contains(&index) {
            true => "the server is still building this index",
            false => {
                "this index is declared and does not exist; queries are slower until a program opens the store with write access and creates it"
            }
        };
        report.add(Finding::harmless(index, why));
    }
    for collection in catalog.iter() {
        if let Some(wanted) = TimeSeriesOptions::of(collection)
            && let Some(why) = time_series_problem(mongo, collection.name, &wanted).await?
        {
            report.add(Finding::harmless(collection.name, why));
        }
    }
    Ok(report)
}

/// Why an existing collection is not the declared time series.
async fn time_series_problem(
    mongo: &Mongo,
    name: &str,
    wanted: &TimeSeriesOptions,
) -> Result<Option<String>, StoreError> {
    match time_series::find_collection(mongo, name).await {
        Ok(found) => {
            Ok(found.and_then(|found| wanted.missing_expiry(name, &found, false).err()).map(|e| e.to_string()))
        }
        Err(StoreError::NotAuthorized { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn compare_indexes(
    mongo: &Mongo,
    name: &str,
    codec: &CollectionCodec,
    comparison: &mut IndexComparison,
) -> Result<(), StoreError> {
    let wanted = required_indexes(codec)?;
    let IndexListing { finished, unfinished } = mongo.list_indexes(name).await?.unwrap_or_default();
    let exists = |index: &&IndexSpec| finished.iter().any(|found| index.matches(found));
    let qualified = |index: &str| format!("{name}.{index}");
    comparison.declared += wanted.iter().filter(exists).count() as u64;
    comparison.missing.extend(wanted.iter().filter(|index| !exists(index)).map(|index| qualified(&index.name)));
    let others = finished
        .iter()
        .filter(|found| !wanted.iter().any(|index| index.matches(found)))
        .filter_map(|found| found.get_str("name").ok())
        .filter(|index| *index != "_id_");
    comparison.foreign.extend(others.map(qualified));
    comparison.unfinished.extend(unfinished.iter().map(|index| qualified(index)));
    Ok(())
}

/// Declared indexes, compared with those on the server.
#[derive(Default)]
struct IndexComparison {
    /// How many indexes are as declared.
    declared: u64,
    missing: Vec<String>,
    foreign: Vec<String>,
    /// The indexes that the server is still building, declared or not.
    unfinished: Vec<String>,
}

/// The integer in a BSON number of any type.
#[expect(clippy::cast_possible_truncation, reason = "sizes are whole numbers, also if the server sends a double")]
fn number_to_integer(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| value.as_f64().map(|number| number as i64))
}
