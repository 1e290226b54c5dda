//! How long steps and tests take, kept from run to run in `xtask-times.json` in the target folder: a step that has become slow is marked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::machine::Machine;
use crate::workspace::items;

/// How many runs of one kind are kept.
const KEPT_RUNS: usize = 10;

/// How many of the slowest tests are named.
const SLOWEST: usize = 20;

/// A step is slow from this multiple of the median of the kept runs.
const SLOW: f64 = 2.0;

/// Less than this is noise, whatever the multiple, in seconds.
const NOISE: f64 = 5.0;

/// How long one test took.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTime {
    pub name: String,
    pub seconds: f64,
}

impl TestTime {
    /// `✔ name (12.5ms)`, a line of Node's test runner; `✖` where it failed.
    pub fn from_node(group: &str, line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix(['✔', '✖'])?;
        let (name, took) = rest.trim().strip_suffix("ms)")?.rsplit_once(" (")?;
        Some(Self { name: format!("{group} {name}"), seconds: took.parse::<f64>().ok()? / 1000.0 })
    }
}

/// The kept times of runs of one kind (`test`, `test --quick`), which are not comparable with those of others.
pub struct Times {
    path: PathBuf,
    kind: String,
    runs: Vec<Value>,
}

impl Times {
    /// Reads the file. One that is not there, torn or of another form holds no times: they are measurements, not data.
    pub fn read(folder: &Path, kind: &str) -> Self {
        let path = folder.join("xtask-times.json");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let file: Value = serde_json::from_str(&text).unwrap_or_default();
        Self { path, kind: kind.to_owned(), runs: items(&file["runs"]).cloned().collect() }
    }

    /// A note about a step that took much longer than in the kept runs.
    pub fn mark(&self, step: &str, took: Duration) -> Option<String> {
        let usual = median(self.comparable().filter_map(|run| run["steps"][step].as_f64()).collect())?;
        let took = took.as_secs_f64();
        (took >= usual * SLOW && took >= usual + NOISE)
            .then(|| format!("SLOW: {:.1} x the usual {usual:.1}s", took / usual.max(0.1)))
    }

    /// Adds this run and writes the file, whole or not at all. The slowest tests of this run are returned.
    pub fn keep(
        mut self,
        total: Duration,
        steps: &[(String, Duration)],
        mut tests: Vec<TestTime>,
    ) -> Result<Vec<TestTime>, Error> {
        tests.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        tests.truncate(SLOWEST);
        let steps: Map<String, Value> =
            steps.iter().map(|(name, took)| (name.clone(), rounded(took.as_secs_f64()))).collect();
        let slowest: Vec<Value> =
            tests.iter().map(|test| json!({"name": test.name, "seconds": rounded(test.seconds)})).collect();
        let mut run: Map<String, Value> = Machine::here()?.facts().into_iter().collect();
        run.insert("kind".into(), self.kind.as_str().into());
        run.insert("total".into(), rounded(total.as_secs_f64()));
        run.insert("steps".into(), steps.into());
        run.insert("slowest".into(), slowest.into());
        self.runs.push(run.into());
        let mut surplus = self.comparable().count().saturating_sub(KEPT_RUNS);
        let kind = Value::from(self.kind.as_str());
        self.runs.retain(|run| {
            let old = surplus > 0 && run["kind"] == kind;
            surplus -= usize::from(old);
            !old
        });
        let aside = self.path.with_extension("json.new");
        let text = format!("{:#}\n", json!({"runs": self.runs}));
        let failed = |source| Error::File { path: aside.display().to_string(), source };
        std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, &self.path)).map_err(failed)?;
        Ok(tests)
    }

    fn comparable(&self) -> impl Iterator<Item = &Value> {
        self.runs.iter().filter(|run| run["kind"] == self.kind.as_str())
    }
}

fn rounded(seconds: f64) -> Value {
    ((seconds * 100.0).round() / 100.0).into()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(seconds: f64) -> Vec<(String, Duration)> {
        vec![("lints".to_owned(), Duration::from_secs_f64(seconds))]
    }

    #[test]
    fn times_of_node_are_read() {
        let read = |line| TestTime::from_node("www", line).map(|test| (test.name, test.seconds));
        assert_eq!(read("  ✔ a (b) works (1250.5ms)"), Some(("www a (b) works".into(), 1.2505)));
        assert_eq!(read("ℹ pass 5"), None);
        assert_eq!(read("✔ a (soon)"), None);
    }

    #[test]
    fn a_step_twice_as_slow_as_the_kept_median_is_marked() {
        let folder = std::env::temp_dir().join(format!("runstate-times-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("xtask-times.json"), "{\"runs\": [{").unwrap();
        let test = |name: &str, seconds| TestTime { name: name.into(), seconds };
        for seconds in [10.0, 60.0, 11.0] {
            let times = Times::read(&folder, "test");
            let slowest = times.keep(Duration::ZERO, &steps(seconds), vec![test("a", 1.0), test("b", 2.0)]).unwrap();
            assert_eq!(slowest, [test("b", 2.0), test("a", 1.0)]);
        }
        let times = Times::read(&folder, "test");
        assert_eq!(times.mark("lints", Duration::from_secs(21)), None);
        assert!(
            times.mark("lints", Duration::from_secs(23)).is_some_and(|mark| mark.contains("2.1 x the usual 11.0s"))
        );
        assert_eq!(times.mark("unknown", Duration::from_secs(23)), None);
        assert_eq!(Times::read(&folder, "test --quick").mark("lints", Duration::from_secs(23)), None);
        for _ in 0..2 * KEPT_RUNS {
            Times::read(&folder, "test").keep(Duration::ZERO, &steps(1.0), Vec::new()).unwrap();
        }
        assert_eq!(Times::read(&folder, "test").comparable().count(), KEPT_RUNS);
        assert_eq!(Times::read(&folder, "test").mark("lints", Duration::from_secs(4)), None, "noise");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
