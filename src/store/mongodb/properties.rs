//! Properties of the server and of the store's collections and indexes, for operators.

use mongodb::bson::{Bson, Document as Spec, doc};
use serde_json::json;

use super::codec::CollectionCodec;
use super::indexes::{IndexSpec, required_indexes};
use super::migration::IndexListing;
use super::{Declarations, Mongo};
use crate::schema::Catalog;
use crate::store::{Finding, StoreError, StoreProperty, VerifyReport};
use crate::value::{Document, Json};

/// Sizes of a collection: the name of the property, and the field of `collStats`.
const SIZES: [(&str, &str); 4] =
    [("documents", "count"), ("bytes", "size"), ("storageBytes", "storageSize"), ("indexBytes", "totalIndexSize")];

impl Mongo {
    pub(super) async fn read_properties(&self) -> Result<Vec<StoreProperty>, StoreError> {
        let mut facts = vec![
            StoreProperty::new("server", self.server_version().await?),
            StoreProperty::new("hosts", self.hosts.as_str()),
            StoreProperty::new("layout", self.layout.describe()),
        ];
        facts.extend(self.replica_set().await?);
        facts.extend(self.sizes().await?);
        facts.extend(self.index_properties().await?);
        Ok(facts)
    }

    /// Runs a command. `None` if the user lacks the privilege: the property is then left out.
    async fn run_if_authorized(&self, database: &str, command: Spec) -> Result<Option<Spec>, StoreError> {
        let name = command.keys().next().cloned().unwrap_or_default();
        match self.client.database(database).run_command(command).await {
            Ok(reply) => Ok(Some(reply)),
            Err(error) => match self.map_error(&error, &format!("running {name}")) {
                StoreError::NotAuthorized { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn server_version(&self) -> Result<String, StoreError> {
        let reply = self.run_if_authorized("admin", doc! {"buildInfo": 1}).await?;
        let version = reply.as_ref().and_then(|reply| reply.get_str("version").ok()).unwrap_or("of an unknown version");
        Ok(format!("MongoDB {version}"))
    }

    /// The replica set and the states of its members. Without the privilege to read states, only the primary is known.
    async fn replica_set(&self) -> Result<Vec<StoreProperty>, StoreError> {
        if let Some(status) = self.run_if_authorized("admin", doc! {"replSetGetStatus": 1}).await? {
            let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
            let members = members.iter().filter_map(Bson::as_document).filter_map(|member| {
                Some((member.get_str("name").ok()?.to_owned(), Json::from(member.get_str("stateStr").ok()?)))
            });
            let members: Document = members.collect();
            let set = status.get_str("set").unwrap_or_default();
            return Ok(vec![
                StoreProperty::new("replicaSet", set),
                StoreProperty::new("members", Json::Object(members)),
            ]);
        }
        let hello = self.run_if_authorized("admin", doc! {"hello": 1}).await?.unwrap_or_default();
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
    async fn sizes(&self) -> Result<Option<StoreProperty>, StoreError> {
        let mut sizes = Document::new();
        for name in self.declarations().collections.keys() {
            let namespace = self.layout.namespace(name);
            let Some(reply) =
                self.run_if_authorized(&namespace.database, doc! {"collStats": namespace.collection}).await?
            else {
                continue;
            };
            let number = |field: &str| reply.get(field).and_then(to_integer).unwrap_or(0);
            let sizes_of_one = SIZES.map(|(sizes_of_one, field)| (sizes_of_one.to_owned(), Json::from(number(field))));
            sizes.insert((*name).to_owned(), Json::Object(sizes_of_one.into_iter().collect()));
        }
        Ok((!sizes.is_empty()).then(|| StoreProperty::new("sizes", Json::Object(sizes))))
    }

    /// The indexes that are as declared, that are missing, that others created, and that are being built.
    async fn index_properties(&self) -> Result<Vec<StoreProperty>, StoreError> {
        let mut all = IndexComparison::default();
        for (name, one) in &self.declarations().collections {
            self.compare_indexes(name, one, &mut all).await?;
        }
        let mut facts = vec![
            StoreProperty::new("indexesAsDeclared", all.declared),
            StoreProperty::new("indexesMissing", json!(all.missing)),
            StoreProperty::new("indexesOfOthers", json!(all.foreign)),
        ];
        if !all.unfinished.is_empty() {
            facts.push(StoreProperty::new("indexesBeingBuilt", json!(all.unfinished)));
        }
        Ok(facts)
    }

    /// Reports declared indexes that do not exist. The queries that need them do not fail, but scan the collection.
    pub(super) async fn do_inspect(&self, catalog: &Catalog) -> Result<VerifyReport, StoreError> {
        let mut all = IndexComparison::default();
        for (name, one) in &Declarations::new(catalog).collections {
            self.compare_indexes(name, one, &mut all).await?;
        }
        let mut report = VerifyReport::default();
        for index in all.missing {
            let why = match all.unfinished.contains(&index) {
                true => "the server is still building this index",
                false => {
                    "this index is declared and does not exist; queries are slower until a program that writes opens the store and creates it"
                }
            };
            report.add(Finding::harmless(index, why));
        }
        Ok(report)
    }

    async fn compare_indexes(
        &self,
        name: &str,
        declared: &CollectionCodec,
        all: &mut IndexComparison,
    ) -> Result<(), StoreError> {
        let wanted = required_indexes(declared)?;
        let IndexListing { finished: ready, unfinished } = self.list_indexes(name).await?.unwrap_or_default();
        let is_there = |index: &&IndexSpec| ready.iter().any(|found| index.matches(found));
        let named = |index: &str| format!("{name}.{index}");
        all.declared += wanted.iter().filter(is_there).count() as u64;
        all.missing.extend(wanted.iter().filter(|index| !is_there(index)).map(|index| named(&index.name)));
        let others = ready
            .iter()
            .filter(|found| !wanted.iter().any(|index| index.matches(found)))
            .filter_map(|found| found.get_str("name").ok())
            .filter(|index| *index != "_id_");
        all.foreign.extend(others.map(named));
        all.unfinished.extend(unfinished.iter().map(|index| named(index)));
        Ok(())
    }
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

/// A number, in whichever type the server returns it.
#[expect(clippy::cast_possible_truncation, reason = "sizes are whole, whatever the server writes them as")]
fn to_integer(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| value.as_f64().map(|number| number as i64))
}
