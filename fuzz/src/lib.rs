//! The bodies of the fuzz targets. Each body takes any bytes, and panics only at a defect. `fuzz_targets/` runs them
//! under libFuzzer, and `tests/fuzz.rs` of the main workspace runs them on random bytes.
//!
//! The bytes are choices: which fixture, and which of its values are edited how. So most inputs are nearly valid and
//! get past the first checks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod machine;
mod regexp;
mod store_files;

pub use machine::{bytecode, snapshot};
pub use regexp::regexp;
use serde_json::{Value as Json, json};
pub use store_files::store_files;

/// The outcome of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputOutcome {
    /// The reader refused it.
    Refused,
    /// The reader accepted it, and it was used.
    Accepted,
}

/// Choices taken from the bytes of an input.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    /// Takes a number below `bound`: 0 when the bytes are used up.
    fn below(&mut self, bound: usize) -> usize {
        let width = match bound {
            ..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            _ => 3,
        };
        let (taken, rest) = self.0.split_at(width.min(self.0.len()));
        self.0 = rest;
        taken.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) % bound.max(1)
    }

    /// Takes one of `options`.
    fn pick<'o, T>(&mut self, options: &'o [T]) -> &'o T {
        &options[self.below(options.len())]
    }

    /// Takes text of at most `units` characters.
    fn text(&mut self, units: usize) -> String {
        (0..self.below(units + 1)).map(|_| char::from(self.below(0x180) as u8)).collect()
    }

    /// Makes one to three edits.
    fn edit_json(&mut self, root: &mut Json) {
        for _ in 0..=self.below(3) {
            let mut paths = Vec::new();
            collect_paths(root, String::new(), &mut paths);
            if paths.is_empty() {
                return;
            }
            let other = root.pointer(self.pick::<String>(&paths)).cloned().unwrap_or_default();
            let Some(value) = root.pointer_mut(self.pick::<String>(&paths)) else { continue };
            match self.below(6) {
                0 => *value = other,
                1 => *value = self.constant(),
                2 => self.remove_child(value),
                3 => self.add_child(value, other),
                4 => self.change_scalar(value),
                _ => self.swap_children(value),
            }
        }
    }

    fn constant(&mut self) -> Json {
        let constants = [
            Json::Null,
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(0.5),
            json!(63),
            json!(64),
            json!(65_535),
            json!(4_294_967_295_u32),
            json!(9_007_199_254_740_991_u64),
            json!(u64::MAX),
            json!(1e300),
            json!(""),
            json!("length"),
            json!("\u{1f600}"),
            json!([]),
            json!({}),
            json!({"$ref": 1}),
            json!({"$ref": 4_000_000}),
            json!({"$hole": true}),
            json!({"$uninitialised": true}),
            json!({"$builtin": "Math.max"}),
        ];
        self.pick(&constants).clone()
    }

    fn remove_child(&mut self, value: &mut Json) {
        match value {
            Json::Array(items) if !items.is_empty() => drop(items.remove(self.below(items.len()))),
            Json::Object(members) if !members.is_empty() => {
                let name = members.keys().nth(self.below(members.len())).cloned().unwrap_or_default();
                members.shift_remove(&name);
            }
            other => *other = Json::Null,
        }
    }

    fn add_child(&mut self, value: &mut Json, child: Json) {
        match value {
            Json::Array(items) => items.insert(self.below(items.len() + 1), child),
            Json::Object(members) => drop(members.insert(self.text(4), child)),
            other => *other = json!([child]),
        }
    }

    fn change_scalar(&mut self, value: &mut Json) {
        let changed = match &*value {
            Json::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                let numbers = [number + 1.0, number - 1.0, number * 2.0, -number, number + 64.0, number + 0.5];
                let number = *self.pick(&numbers);
                if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
            }
            Json::String(text) => {
                let at = self.below(text.chars().count() + 1);
                let kept = text.chars().take(at).chain(text.chars().skip(at + self.below(3)));
                Json::String(self.text(3).chars().chain(kept).collect())
            }
            Json::Bool(flag) => json!(!flag),
            _ => self.constant(),
        };
        *value = changed;
    }

    fn swap_children(&mut self, value: &mut Json) {
        match value {
            Json::Array(items) if !items.is_empty() => {
                let (one, other) = (self.below(items.len()), self.below(items.len()));
                items.swap(one, other);
            }
            other => self.change_scalar(other),
        }
    }
}

/// Collects a pointer to every value except the root.
fn collect_paths(json: &Json, path: String, paths: &mut Vec<String>) {
    match json {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_paths(item, format!("{path}/{index}"), paths);
            }
        }
        Json::Object(members) => {
            for (key, member) in members {
                collect_paths(member, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        _ => {}
    }
    if !path.is_empty() {
        paths.push(path);
    }
}
