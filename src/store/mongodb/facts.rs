//! What is told of the server and of what stands on it: for people who look after it.

use mongodb::bson::{Bson, Document as Spec, doc};
use serde_json::json;

use super::Mongo;
use super::codec::Declared;
use super::indexes::wanted;
use crate::store::{Error, Fact};
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

    /// Which indexes are as declared, which are missing, and which others made.
    async fn index_facts(&self) -> Result<[Fact; 3], Error> {
        let (mut declared, mut missing, mut foreign) = (0u64, Vec::new(), Vec::new());
        for (name, one) in &self.declarations().collections {
            let found = self.compared(name, one).await?;
            declared += found.0;
            missing.extend(found.1);
            foreign.extend(found.2);
        }
        Ok([
            Fact::new("indexesAsDeclared", declared),
            Fact::new("indexesMissing", json!(missing)),
            Fact::new("indexesOfOthers", json!(foreign)),
        ])
    }

    async fn compared(&self, name: &str, declared: &Declared) -> Result<(u64, Vec<String>, Vec<String>), Error> {
        let wanted = wanted(declared)?;
        let there = self.indexes(name).await?.unwrap_or_default();
        let is_there = |index: &&super::indexes::Wanted| there.iter().any(|found| index.is(found));
        let missing = wanted.iter().filter(|index| !is_there(index)).map(|index| format!("{name}.{}", index.name));
        let others = there
            .iter()
            .filter(|found| !wanted.iter().any(|index| index.is(found)))
            .filter_map(|found| found.get_str("name").ok())
            .filter(|index| *index != "_id_")
            .map(|index| format!("{name}.{index}"));
        Ok((wanted.iter().filter(is_there).count() as u64, missing.collect(), others.collect()))
    }
}

/// A number as the server may tell it.
#[expect(clippy::cast_possible_truncation, reason = "sizes are whole, whatever the server writes them as")]
fn number(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| value.as_f64().map(|number| number as i64))
}
