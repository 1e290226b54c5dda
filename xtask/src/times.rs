//! The times of steps and tests of earlier runs, in `xtask-times.json` in the target folder. A step that has become slow is marked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bench::MachineInfo;
use crate::error::XtaskError;
use crate::workspace::items;

/// Number of runs of one kind that are kept.
const KEPT_RUNS: usize = 10;

/// Number of slowest tests to print.
const SLOWEST: usize = 20;

/// A step is slow from this multiple of the median of the kept runs.
const SLOW_FACTOR: f64 = 2.0;

/// A smaller difference in seconds is noise, for any multiple.
const NOISE_SECONDS: f64 = 5.0;

/// The time of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestTime {
    pub name: String,
    pub seconds: f64,
}

impl TestTime {
    /// Parses `✔ name (12.5ms)`, a line of Node's test runner; `✖` marks a failed test.
    pub fn from_node(group: &str, line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix(['✔', '✖'])?;
        let (name, took) = rest.trim().strip_suffix("ms)")?.rsplit_once(" (")?;
        Some(Self { name: format!("{group} {name}"), seconds: took.parse::<f64>().ok()? / 1000.0 })
    }
}

/// The recorded times of runs of one kind (`test`, `test --quick`). Kinds are not comparable with each other.
pub struct RunTimes {
    path: PathBuf,
    kind: String,
    runs: Vec<Value>,
}

impl RunTimes {
    /// Reads the file. A missing, damaged or unknown file counts as empty: it holds measurements, not data.
    pub fn read(folder: &Path, kind: &str) -> Self {
        let path = folder.join("xtask-times.json");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let file: Value = serde_json::from_str(&text).unwrap_or_default();
        Self { path, kind: kind.to_owned(), runs: items(&file["runs"]).cloned().collect() }
    }

    /// A note about a step that took much longer than in the kept runs.
    pub fn slow_note(&self, step: &str, took: Duration) -> Option<String> {
        let usual = median(self.comparable().filter_map(|run| run["steps"][step].as_f64()).collect())?;
        let took = took.as_secs_f64();
        (took >= usual * SLOW_FACTOR && took >= usual + NOISE_SECONDS)
            .then(|| format!("SLOW: {:.1} x the usual {usual:.1}s", took / usual.max(0.1)))
    }

    /// Adds this run, writes the file atomically, and returns the slowest tests of this run.
    pub fn record(
        mut self,
        total: Duration,
        steps: &[(String, Duration)],
        mut tests: Vec<TestTime>,
    ) -> Result<Vec<TestTime>, XtaskError> {
        tests.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        tests.truncate(SLOWEST);
        let steps: Map<String, Value> =
            steps.iter().map(|(name, took)| (name.clone(), rounded(took.as_secs_f64()))).collect();
        let slowest: Vec<Value> =
            tests.iter().map(|test| json!({"name": test.name, "seconds": rounded(test.seconds)})).collect();
        let mut run: Map<String, Value> = MachineInfo::detect()?.to_fields().into_iter().collect();
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
        let failed = |source| XtaskError::File { path: aside.display().to_string(), source };
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
    fn times_of_node_are_parsed() {
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
            let times = RunTimes::read(&folder, "test");
            let slowest = times.record(Duration::ZERO, &steps(seconds), vec![test("a", 1.0), test("b", 2.0)]).unwrap();
            assert_eq!(slowest, [test("b", 2.0), test("a", 1.0)]);
        }
        let times = RunTimes::read(&folder, "test");
        assert_eq!(times.slow_note("lints", Duration::from_secs(21)), None);
        assert!(
            times
                .slow_note("lints", Duration::from_secs(23))
                .is_some_and(|mark| mark.contains("2.1 x the usual 11.0s"))
        );
        assert_eq!(times.slow_note("unknown", Duration::from_secs(23)), None);
        assert_eq!(RunTimes::read(&folder, "test --quick").slow_note("lints", Duration::from_secs(23)), None);
        for _ in 0..2 * KEPT_RUNS {
            RunTimes::read(&folder, "test").record(Duration::ZERO, &steps(1.0), Vec::new()).unwrap();
        }
        assert_eq!(RunTimes::read(&folder, "test").comparable().count(), KEPT_RUNS);
        assert_eq!(RunTimes::read(&folder, "test").slow_note("lints", Duration::from_secs(4)), None, "noise");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
