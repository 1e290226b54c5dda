//! Counts the commands that reach the server, with the server's own counters.

use std::collections::BTreeMap;

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

use super::BenchError;

const READS: [&str; 4] = ["find", "aggregate", "getMore", "count"];
const WRITES: [&str; 6] = ["insert", "update", "delete", "findAndModify", "commitTransaction", "abortTransaction"];

/// A client that reads the counters of the server.
pub struct CommandCounter(Client);

/// Commands of several steps.
#[derive(Default)]
pub struct CommandCounts {
    steps: u32,
    commands: BTreeMap<&'static str, i64>,
}

impl CommandCounts {
    fn per_step(&self, name: &str) -> f64 {
        self.commands.get(name).map_or(0.0, |n| *n as f64 / f64::from(self.steps))
    }

    /// Commands of one step.
    pub fn total(&self) -> f64 {
        READS.iter().chain(&WRITES).map(|name| self.per_step(name)).sum()
    }

    pub fn reads(&self) -> f64 {
        READS.iter().map(|name| self.per_step(name)).sum()
    }

    pub fn by_name(&self) -> String {
        let rates = self.commands.keys().map(|name| (name, self.per_step(name))).filter(|(_, n)| *n > 0.0);
        rates.map(|(name, n)| format!("{name} {n:.2}")).collect::<Vec<_>>().join(", ")
    }
}

impl CommandCounter {
    pub async fn connect(url: &str) -> Result<Self, BenchError> {
        Ok(Self(Client::with_uri_str(url).await?))
    }

    /// Runs `step`, and adds the commands that reached the server meanwhile.
    pub async fn count<T>(
        &self,
        counts: &mut CommandCounts,
        step: impl Future<Output = Result<T, BenchError>>,
    ) -> Result<T, BenchError> {
        let before = self.server_counts().await?;
        let result = step.await?;
        let added = self.counts_since(&before, 1).await?;
        for (name, n) in added.commands {
            *counts.commands.entry(name).or_default() += n;
        }
        counts.steps += 1;
        Ok(result)
    }

    /// The commands that reached the server since `before`, attributed to `steps` steps.
    pub async fn counts_since(
        &self,
        before: &BTreeMap<&'static str, i64>,
        steps: u32,
    ) -> Result<CommandCounts, BenchError> {
        let added = |(name, n)| (name, n - before.get(name).unwrap_or(&0));
        Ok(CommandCounts { steps, commands: self.server_counts().await?.into_iter().map(added).collect() })
    }

    /// The server's counters.
    pub async fn server_counts(&self) -> Result<BTreeMap<&'static str, i64>, BenchError> {
        let status = self.0.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let commands = status.get_document("metrics")?.get_document("commands")?;
        let total = |name| commands.get_document(name).ok().and_then(|of: &Document| of.get("total").and_then(to_i64));
        Ok(READS.into_iter().chain(WRITES).filter_map(|name| Some((name, total(name)?))).collect())
    }
}

fn to_i64(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
