//! How many commands reach the server, by its own count.

use std::collections::BTreeMap;

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

use super::Failure;

const READS: [&str; 4] = ["find", "aggregate", "getMore", "count"];
const WRITES: [&str; 5] = ["insert", "update", "delete", "findAndModify", "commitTransaction"];

pub struct Trips(Client);

/// What the server had counted, and how many steps were made since.
pub struct Begun {
    counted: BTreeMap<&'static str, i64>,
    pub steps: u32,
}

/// Commands of one step.
pub struct Commands {
    pub all: f64,
    pub reads: f64,
    pub by_name: String,
}

impl Trips {
    pub async fn of(url: &str) -> Result<Self, Failure> {
        Ok(Self(Client::with_uri_str(url).await?))
    }

    pub async fn begin(&self) -> Result<Begun, Failure> {
        Ok(Begun { counted: self.counted().await?, steps: 0 })
    }

    pub async fn end(&self, begun: Begun) -> Result<Commands, Failure> {
        let counted = self.counted().await?;
        let of = |name: &str| {
            let more = counted.get(name).unwrap_or(&0) - begun.counted.get(name).unwrap_or(&0);
            more as f64 / f64::from(begun.steps)
        };
        let reads = READS.iter().map(|name| of(name)).sum();
        let each = READS.iter().chain(&WRITES).filter(|name| of(name) > 0.0);
        let by_name = each.map(|name| format!("{name} {:.2}", of(name))).collect::<Vec<_>>().join(", ");
        Ok(Commands { all: reads + WRITES.iter().map(|name| of(name)).sum::<f64>(), reads, by_name })
    }

    pub async fn each(
        &self,
        steps: u32,
        mut step: impl AsyncFnMut() -> Result<(), Failure>,
    ) -> Result<Commands, Failure> {
        let mut begun = self.begin().await?;
        for _ in 0..steps {
            step().await?;
            begun.steps += 1;
        }
        self.end(begun).await
    }

    async fn counted(&self) -> Result<BTreeMap<&'static str, i64>, Failure> {
        let status = self.0.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let commands = status.get_document("metrics")?.get_document("commands")?;
        let total = |name| commands.get_document(name).ok().and_then(|of: &Document| of.get("total").and_then(number));
        Ok(READS.into_iter().chain(WRITES).filter_map(|name| Some((name, total(name)?))).collect())
    }
}

fn number(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}
