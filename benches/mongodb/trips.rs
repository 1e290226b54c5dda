//! How many commands reach the server, by its own count.

use std::collections::BTreeMap;

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

use super::Failure;

const READS: [&str; 4] = ["find", "aggregate", "getMore", "count"];
const WRITES: [&str; 6] = ["insert", "update", "delete", "findAndModify", "commitTransaction", "abortTransaction"];

pub struct Trips(Client);

/// Commands of several steps.
#[derive(Default)]
pub struct Counted {
    steps: u32,
    commands: BTreeMap<&'static str, i64>,
}

impl Counted {
    fn each(&self, name: &str) -> f64 {
        self.commands.get(name).map_or(0.0, |n| *n as f64 / f64::from(self.steps))
    }

    /// Commands of one step.
    pub fn all(&self) -> f64 {
        READS.iter().chain(&WRITES).map(|name| self.each(name)).sum()
    }

    pub fn reads(&self) -> f64 {
        READS.iter().map(|name| self.each(name)).sum()
    }

    pub fn by_name(&self) -> String {
        let each = self.commands.keys().map(|name| (name, self.each(name))).filter(|(_, n)| *n > 0.0);
        each.map(|(name, n)| format!("{name} {n:.2}")).collect::<Vec<_>>().join(", ")
    }
}

impl Trips {
    pub async fn of(url: &str) -> Result<Self, Failure> {
        Ok(Self(Client::with_uri_str(url).await?))
    }

    /// Makes `step`, and adds what reached the server meanwhile.
    pub async fn count<T>(
        &self,
        counted: &mut Counted,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let before = self.counted().await?;
        let came = step.await?;
        let more = self.since(&before, 1).await?;
        for (name, n) in more.commands {
            *counted.commands.entry(name).or_default() += n;
        }
        counted.steps += 1;
        Ok(came)
    }

    /// What reached the server since it had counted so many, in so many steps.
    pub async fn since(&self, before: &BTreeMap<&'static str, i64>, steps: u32) -> Result<Counted, Failure> {
        let more = |(name, n)| (name, n - before.get(name).unwrap_or(&0));
        Ok(Counted { steps, commands: self.counted().await?.into_iter().map(more).collect() })
    }

    /// What the server has counted.
    pub async fn counted(&self) -> Result<BTreeMap<&'static str, i64>, Failure> {
        let status = self.0.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let commands = status.get_document("metrics")?.get_document("commands")?;
        let total = |name| commands.get_document(name).ok().and_then(|of: &Document| of.get("total").and_then(number));
        Ok(READS.into_iter().chain(WRITES).filter_map(|name| Some((name, total(name)?))).collect())
    }
}

fn number(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
