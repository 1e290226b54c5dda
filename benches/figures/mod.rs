//! The output of benches: a line for each figure, and the same as JSON in the file of RUNSTATE_BENCH_FILE, from which
//! `cargo xtask bench` makes its table. The benches do the measuring.
#![allow(dead_code, reason = "no bench uses all of it")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One measurement.
pub struct Figure {
    name: String,
    unit: &'static str,
    value: f64,
    raw: Option<f64>,
    target: Option<(String, bool)>,
}

impl Figure {
    pub fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), unit, value, raw: None, target: None }
    }

    /// Milliseconds.
    pub fn ms(name: impl Into<String>, time: Duration) -> Self {
        Self::new(name, "ms", ms(time))
    }

    /// Sets the cost of the minimal necessary work, measured in the same run and in the same unit.
    pub fn raw(mut self, raw: f64) -> Self {
        self.raw = Some(raw);
        self
    }

    pub fn at_most(self, most: f64) -> Self {
        let reached = self.value <= most;
        self.target(format!("≤ {most}"), reached)
    }

    /// At least `least`, or at least the raw value if that is smaller.
    pub fn at_least_or_raw(self, least: f64) -> Self {
        let reached = self.value >= self.raw.map_or(least, |raw| least.min(raw));
        self.target(format!("≥ {least}, or raw if less"), reached)
    }

    pub fn ratio_at_most(self, most: f64) -> Self {
        let reached = self.ratio().is_some_and(|ratio| ratio <= most);
        self.target(format!("≤ {most} × raw"), reached)
    }

    pub fn overhead_at_most(self, most: f64) -> Self {
        let reached = self.raw.is_some_and(|raw| self.value - raw <= most);
        self.target(format!("≤ raw + {most}"), reached)
    }

    fn target(mut self, text: String, reached: bool) -> Self {
        self.target = Some((text, reached));
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.raw.map(|raw| self.value / raw)
    }

    fn json(&self, bench: &str) -> Value {
        let (target, reached) = self.target.as_ref().map(|(target, reached)| (target, *reached)).unzip();
        json!({
            "bench": bench, "name": self.name, "unit": self.unit, "value": self.value, "raw": self.raw,
            "ratio": self.ratio(), "target": target, "reached": reached,
        })
    }
}

/// The figures of one bench.
pub struct Figures {
    bench: &'static str,
    file: Option<File>,
}

impl Figures {
    pub fn create(bench: &'static str) -> io::Result<Self> {
        let path = std::env::var_os("RUNSTATE_BENCH_FILE");
        let file = path.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        Ok(Self { bench, file })
    }

    pub fn add(&mut self, figure: Figure) -> io::Result<()> {
        let mut line = format!("{:<44} {:>14}", figure.name, format!("{} {}", format_value(figure.value), figure.unit));
        if let (Some(raw), Some(ratio)) = (figure.raw, figure.ratio()) {
            line += &format!("  raw {:>10}  {:>6} ×", format_value(raw), format_value(ratio));
        }
        if let Some((target, reached)) = &figure.target {
            line += &format!("  ({target}: {})", if *reached { "reached" } else { "NOT reached" });
        }
        println!("{line}");
        match &mut self.file {
            Some(file) => writeln!(file, "{}", figure.json(self.bench)),
            None => Ok(()),
        }
    }
}

/// Formats a value with as many digits as are significant.
fn format_value(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.3}"),
        10.0..1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

pub fn median(times: &mut [Duration]) -> Duration {
    quantile(times, 0.5)
}

/// The time that this share of all times does not exceed.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}

/// Makes only the system calls of a commit: write and sync a temporary file, link it, remove it, sync the folder.
pub fn put_new(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<Duration> {
    let begun = Instant::now();
    let temp = folder.join(format!(".tmp-{name}"));
    let mut file = File::create_new(&temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::hard_link(&temp, folder.join(name))?;
    fs::remove_file(&temp)?;
    File::open(folder)?.sync_all()?;
    Ok(begun.elapsed())
}
