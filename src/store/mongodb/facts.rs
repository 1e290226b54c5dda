//! What is told of the server and of what stands on it: for people who look after it.

use mongodb::bson::{Bson, Document as Spec, doc};
use serde_json::json;

use super::codec::Declared;
use super::indexes::{Wanted, wanted};
use super::migrate::Listed;
use super::{Declarations, Mongo};
use crate::schema::Catalog;
use crate::store::{Error, Fact, Finding, Report};
use crate::value::{Document, Json};

/// Numbers of a collection, by the name they are told under.
const SIZES: [(&str, &str); 4] =
    [("documents", "count"), ("bytes", "size"), ("storageBytes", "storageSize"), ("indexBytes", "totalIndexSize")];

impl Mongo {
    pub(super) async fn ask_facts(&self) -> Result<Vec<Fact>, Error> {
        let mut facts = vec![
            Fact::new("server", self.server().await?),
            Fact::new("hosts", self.hosts.as_str()),
            Fact::new("layout", self.layout.describe()),
        ];
        facts.extend(self.replica_set().await?);
        facts.extend(self.sizes().await?);
        facts.extend(self.index_facts().await?);
        Ok(facts)
    }

    /// What `command` says; `None`: this user may not ask, and then it is left out.
    async fn said(&self, database: &str, command: Spec) -> Result<Option<Spec>, Error> {
        let name = command.keys().next().cloned().unwrap_or_default();
        match self.client.database(database).run_command(command).await {
            Ok(said) => Ok(Some(said)),
            Err(fault) => match self.error(&fault, &format!("asking {name}")) {
                Error::NotAuthorized { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn server(&self) -> Result<String, Error> {
        let said = self.said("admin", doc! {"buildInfo": 1}).await?;
        let version =
            said.as_ref().and_then(|said| said.get_str("version").ok()).unwrap_or("of a version it does not tell");
        Ok(format!("MongoDB {version}"))
    }

    /// The set and its members, each with its state; where this user may not ask for states, who is the primary.
    async fn replica_set(&self) -> Result<Vec<Fact>, Error> {
        if let Some(status) = self.said("admin", doc! {"replSetGetStatus": 1}).await? {
            let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
            let members = members.iter().filter_map(Bson::as_document).filter_map(|member| {
                Some((member.get_str("name").ok()?.to_owned(), Json::from(member.get_str("stateStr").ok()?)))
            });
            let members: Document = members.collect();
            let set = status.get_str("set").unwrap_or_default();
            return Ok(vec![Fact::new("replicaSet", set), Fact::new("members", Json::Object(members))]);
        }
        let hello = self.said("admin", doc! {"hello": 1}).await?.unwrap_or_default();
        let primary = hello.get_str("primary").unwrap_or_default();
        let hosts = hello.get_array("hosts").map(Vec::as_slice).unwrap_or_default();
        let members = hosts.iter().filter_map(Bson::as_str).map(|host| {
            let state = if host == primary { "PRIMARY" } else { "state not told to this user" };
            (host.to_owned(), Json::from(state))
        });
        let set = hello.get_str("setName").unwrap_or_default();
        Ok(vec![Fact::new("replicaSet", set), Fact::new("members", Json::Object(members.collect()))])
    }

    /// How large everything is.
    async fn sizes(&self) -> Result<Option<Fact>, Error> {
        let mut sizes = Document::new();
        for name in self.declarations().collections.keys() {
            let place = self.layout.place(name);
            let Some(said) = self.said(&place.database, doc! {"collStats": place.collection}).await? else { continue };
            let number = |field: &str| said.get(field).and_then(number).unwrap_or(0);
            let told = SIZES.map(|(told, field)| (told.to_owned(), Json::from(number(field))));
            sizes.insert((*name).to_owned(), Json::Object(told.into_iter().collect()));
        }
        Ok((!sizes.is_empty()).then(|| Fact::new("sizes", Json::Object(sizes))))
    }

    /// Which indexes are as declared, which are missing, which others made, and which ones are being built.
    async fn index_facts(&self) -> Result<Vec<Fact>, Error> {
        let mut all = Compared::default();
        for (name, one) in &self.declarations().collections {
            self.compare(name, one, &mut all).await?;
        }
        let mut facts = vec![
            Fact::new("indexesAsDeclared", all.declared),
            Fact::new("indexesMissing", json!(all.missing)),
            Fact::new("indexesOfOthers", json!(all.foreign)),
        ];
        if !all.unfinished.is_empty() {
            facts.push(Fact::new("indexesBeingBuilt", json!(all.unfinished)));
        }
        Ok(facts)
    }

    /// Declared indexes that do not exist: the queries that they serve do not fail, but read the whole collection.
    pub(super) async fn do_inspect(&self, catalog: &Catalog) -> Result<Report, Error> {
        let mut all = Compared::default();
        for (name, one) in &Declarations::of(catalog).collections {
            self.compare(name, one, &mut all).await?;
        }
        let mut report = Report::default();
        for index in all.missing {
            let why = match all.unfinished.contains(&index) {
                true => "the server is still building this index",
                false => {
                    "this index is declared and does not exist; until a program that writes opens the store, and creates it, queries are slower"
                }
            };
            report.add(Finding::harmless(index, why));
        }
        Ok(report)
    }

    async fn compare(&self, name: &str, declared: &Declared, all: &mut Compared) -> Result<(), Error> {
        let wanted = wanted(declared)?;
        let Listed { ready, unfinished } = self.indexes(name).await?.unwrap_or_default();
        let is_there = |index: &&Wanted| ready.iter().any(|found| index.is(found));
        let named = |index: &str| format!("{name}.{index}");
        all.declared += wanted.iter().filter(is_there).count() as u64;
        all.missing.extend(wanted.iter().filter(|index| !is_there(index)).map(|index| named(&index.name)));
        let others = ready
            .iter()
            .filter(|found| !wanted.iter().any(|index| index.is(found)))
            .filter_map(|found| found.get_str("name").ok())
            .filter(|index| *index != "_id_");
        all.foreign.extend(others.map(named));
        all.unfinished.extend(unfinished.iter().map(|index| named(index)));
        Ok(())
    }
}

/// What is declared, beside what stands there.
#[derive(Default)]
struct Compared {
    /// How many indexes are as they are declared.
    declared: u64,
    missing: Vec<String>,
    foreign: Vec<String>,
    /// Of the missing ones, and of others', those that the server is building.
    unfinished: Vec<String>,
}

/// A number as the server may tell it.
#[expect(clippy::cast_possible_truncation, reason = "sizes are whole, whatever the server writes them as")]
fn number(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| value.as_f64().map(|number| number as i64))
}
