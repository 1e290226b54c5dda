//! A commit file: one or more commits as JSON, one operation a line, sealed with a checksum. Operations say what came out, not
//! what was expected, so that replaying judges nothing.
//!
//! ```text
//! {"seq":42,"prev":"<SHA-256 of commit 41's bytes>","store":"<8 digits>","at":1705744800000,"commits":[
//! {"cmd":"…","at":1705744800000,"fingerprint":"…","result":{…},"ops":[
//! {"op":"put","c":"demo.notes","id":"a","rev":"1-5f0c…","v":1,"doc":{…}},
//! {"op":"change","c":"demo.notes","id":"b","rev":"7-11ab…","v":1,"set":[[["title"],"x"]],"unset":[["tags"]]},
//! {"op":"delete","c":"demo.notes","id":"c"}
//! ]}
//! ],"crc":"89abcdef"}
//! ```
//!
//! What a command relied on and did not write stands in `"checks":[{"c":…,"id":…,"rev":…}]` before its operations, where there is any.
//! `store` is the beginning of the store's id: a commit that strays is known by it, and one behind a damaged one for the store's own.
//! What is no command (a sweep, a migration) has no `at`, `fingerprint` and `result`, and no row in the ledger.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::format::{check_seal, seal};
use crate::id::{CommandId, Revision};
use crate::schema::Key;
use crate::store::tables::{Commit, Logged, LoggedEntry, LoggedOp};
use crate::store::{Batch, COMMANDS, Check, Error};
use crate::time::Timestamp;
use crate::value::{Difference, Document, Json, Path};

/// What a commit file says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CommitFile {
    /// Its place in the order of commits; also its name.
    pub seq: u64,
    /// Hash of the file before it.
    pub prev: String,
    /// How the store's id begins; none: it was written before commits said so.
    #[serde(default)]
    pub store: Option<String>,
    /// The time that its writer gave it.
    pub at: Timestamp,
    /// The commits, in order.
    pub commits: Vec<Entry>,
}

/// The revision and schema version that came out of an operation; none: deleted.
pub type Came = Option<(Revision, u32)>;

/// One commit; where it is a command's, also its row in the ledger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "EntryIn")]
pub struct Entry {
    /// What the tables replay.
    pub logged: Logged,
    /// What came out of each operation. Not needed to replay: it shows damage.
    pub outcomes: Vec<Came>,
    /// What it relied on and did not write. Not needed to replay: a repair judges by it.
    pub checks: Vec<Check>,
}

impl Entry {
    /// The entry of a command whose batch was planned.
    pub fn of_batch(batch: &Batch, commit: &Commit) -> Self {
        let mut changes = commit.changes.iter().peekable();
        let (mut ops, mut outcomes) = (Vec::new(), Vec::new());
        for write in &batch.writes {
            // Writes without effect (deleting what is not there) have no change and need no line.
            if let Some(change) = changes.next_if(|change| change.key == write.key) {
                ops.push((write.key.clone(), LoggedOp::from(&write.op)));
                outcomes.push(change.after.as_ref().map(|s| (s.revision.clone(), s.version)));
            }
        }
        let (at, fingerprint, result) = (batch.at, batch.fingerprint.clone(), batch.result.clone());
        let entry = Some(LoggedEntry { at, fingerprint, result });
        let checks = batch.checks.clone();
        Self { logged: Logged { command: batch.command.clone(), entry, ops }, outcomes, checks }
    }

    /// The entry of what was planned and is no command: deletions only.
    pub fn of_sweep(commit: &Commit) -> Self {
        let ops: Vec<_> = commit.changes.iter().map(|change| (change.key.clone(), LoggedOp::Delete)).collect();
        let outcomes = vec![None; ops.len()];
        Self { logged: Logged { command: commit.command.clone(), entry: None, ops }, outcomes, checks: Vec::new() }
    }

    /// Whether replaying it did what it says; the error says where not.
    pub fn confirm(&self, done: &Commit) -> Result<(), String> {
        let mut changes = done.changes.iter().filter(|change| change.key.collection != COMMANDS.name || self.sweeps());
        for ((key, _), outcome) in self.logged.ops.iter().zip(&self.outcomes) {
            let change = changes.next().filter(|change| change.key == *key);
            let after = change.map(|c| c.after.as_ref().map(|s| (s.revision.clone(), s.version)));
            if after.as_ref() != Some(outcome) {
                return Err(format!("replaying command `{}` gives another {key} than it says", self.logged.command));
            }
        }
        Ok(())
    }

    fn sweeps(&self) -> bool {
        self.logged.entry.is_none()
    }
}

#[derive(Serialize)]
struct EntryOut<'a> {
    cmd: &'a CommandId,
    #[serde(flatten)]
    row: Option<Row<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Checked<'a>>,
}

/// A document that was relied on, as it is written.
#[derive(Serialize, Deserialize)]
struct Checked<'a> {
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    rev: Revision,
}

#[derive(Serialize)]
struct Row<'a> {
    at: Timestamp,
    fingerprint: &'a str,
    result: &'a Json,
}

#[derive(Deserialize)]
struct EntryIn {
    cmd: CommandId,
    at: Option<Timestamp>,
    fingerprint: Option<String>,
    // Told apart from a result that is null.
    #[serde(default, deserialize_with = "crate::value::present")]
    result: Option<Json>,
    #[serde(default)]
    checks: Vec<Checked<'static>>,
    ops: Vec<Line<'static>>,
}

/// An operation as it is written.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    op: Verb,
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rev: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doc: Option<Arc<Document>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    set: Cow<'a, [(Path, Json)]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    unset: Cow<'a, [Path]>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Put,
    Change,
    Delete,
}

impl<'a> Line<'a> {
    fn new(key: &'a Key, op: &'a LoggedOp, outcome: Option<&(Revision, u32)>) -> Self {
        let none: (&[_], &[_]) = (&[], &[]);
        let (verb, doc, (set, unset)) = match op {
            LoggedOp::Put { document, .. } => (Verb::Put, Some(document.clone()), none),
            LoggedOp::Change(difference) => (Verb::Change, None, (&*difference.set, &*difference.unset)),
            LoggedOp::Delete => (Verb::Delete, None, none),
        };
        let (c, id) = (Cow::Borrowed(&*key.collection), Cow::Borrowed(&*key.id));
        let (rev, v) = outcome.cloned().unzip();
        Self { op: verb, c, id, rev, v, doc, set: Cow::Borrowed(set), unset: Cow::Borrowed(unset) }
    }

    fn operation(self) -> Result<(Key, LoggedOp, Came), String> {
        let outcome = self.rev.zip(self.v);
        let key = Key { collection: Cow::Owned(self.c.into_owned()), id: self.id.into() };
        let op = match (self.op, self.doc, &outcome) {
            (Verb::Put, Some(document), Some((_, version))) => LoggedOp::Put { version: *version, document },
            (Verb::Change, None, Some(_)) => {
                LoggedOp::Change(Arc::new(Difference { set: self.set.into_owned(), unset: self.unset.into_owned() }))
            }
            (Verb::Delete, None, None) => LoggedOp::Delete,
            _ => return Err(format!("the operation on {key} has not the members it needs")),
        };
        Ok((key, op, outcome))
    }
}

impl TryFrom<EntryIn> for Entry {
    type Error = String;

    fn try_from(entry: EntryIn) -> Result<Self, String> {
        let row = match (entry.at, entry.fingerprint, entry.result) {
            (Some(at), Some(fingerprint), Some(result)) => Some(LoggedEntry { at, fingerprint, result }),
            (None, None, None) => None,
            _ => return Err(format!("command `{}` has part of a ledger row", entry.cmd)),
        };
        let (mut ops, mut outcomes) = (Vec::with_capacity(entry.ops.len()), Vec::with_capacity(entry.ops.len()));
        for line in entry.ops {
            let (key, op, outcome) = line.operation()?;
            ops.push((key, op));
            outcomes.push(outcome);
        }
        let check = |Checked { c, id, rev }: Checked<'static>| Check {
            key: Key { collection: Cow::Owned(c.into_owned()), id: id.into() },
            revision: rev,
        };
        let checks = entry.checks.into_iter().map(check).collect();
        Ok(Self { logged: Logged { command: entry.cmd, entry: row, ops }, outcomes, checks })
    }
}

/// How commits name the store with this id.
pub fn tag(store: &str) -> &str {
    store.get(..8).unwrap_or(store)
}

/// The bytes of a commit file.
pub fn write(seq: u64, prev: &str, store: &str, at: Timestamp, commits: &[Entry]) -> Result<Vec<u8>, Error> {
    let unwritable =
        |e: serde_json::Error| Error::Unavailable { what: "writing a commit as JSON".to_owned(), why: e.to_string() };
    lines(seq, prev, store, at, commits).map(seal).map_err(unwritable)
}

fn lines(seq: u64, prev: &str, store: &str, at: Timestamp, commits: &[Entry]) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(512);
    let (store, at) = (Json::from(tag(store)), at.as_millis());
    out.extend_from_slice(format!(r#"{{"seq":{seq},"prev":"{prev}","store":{store},"at":{at},"commits":["#).as_bytes());
    for (i, Entry { logged, outcomes, checks }) in commits.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        let row = logged.entry.as_ref().map(|e| Row { at: e.at, fingerprint: &e.fingerprint, result: &e.result });
        let checks = checks.iter().map(|Check { key, revision }| Checked {
            c: Cow::Borrowed(&*key.collection),
            id: Cow::Borrowed(&*key.id),
            rev: revision.clone(),
        });
        serde_json::to_writer(&mut out, &EntryOut { cmd: &logged.command, row, checks: checks.collect() })?;
        // The object is opened again for the operations, each on a line of its own.
        out.pop();
        out.extend_from_slice(b",\"ops\":[");
        for (j, ((key, op), outcome)) in logged.ops.iter().zip(outcomes).enumerate() {
            out.extend_from_slice(if j == 0 { b"\n" } else { b",\n" });
            serde_json::to_writer(&mut out, &Line::new(key, op, outcome.as_ref()))?;
        }
        out.extend_from_slice(if logged.ops.is_empty() { b"]}" } else { b"\n]}" });
    }
    out.extend_from_slice(b"\n]");
    Ok(out)
}

/// Reads the file of commit `seq`, whose predecessor has the hash `prev`; the error says what is wrong with it.
pub fn read(bytes: &[u8], seq: u64, prev: &str) -> Result<CommitFile, String> {
    let file = read_alone(bytes, seq)?;
    if file.prev != prev {
        return Err("the commit before it is not the one it was written after: one of the two was replaced".to_owned());
    }
    Ok(file)
}

/// Reads the file of commit `seq`, whatever is before it.
pub fn read_alone(bytes: &[u8], seq: u64) -> Result<CommitFile, String> {
    check_seal(bytes)?;
    let file: CommitFile = serde_json::from_slice(bytes).map_err(|e| format!("it is no commit ({e})"))?;
    if file.seq == seq { Ok(file) } else { Err(format!("it says it is commit {}: it was renamed or copied", file.seq)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> Entry {
        let key = |id: &str| Key { collection: "demo.notes".into(), id: id.into() };
        let revision = |n: u64| Revision::parse(&format!("{n}-0123456789ab")).unwrap();
        let document = json!({
            "text": "é\u{0}\u{7f}\u{2028}\"\\\n🦀", "": [], "float": [0.1, 1e300, 5e-324, -0.0, 1.0, 333333333.3333333],
            "int": [i64::MIN, i64::MAX, u64::MAX, 9007199254740993u64], "deep": {"a": {"b": [null, true]}}, "$ref": 1
        });
        let put = LoggedOp::Put { version: 3, document: Arc::new(document.as_object().unwrap().clone()) };
        let before = json!({"a": {"1": 0}, "l": [0], "gone": 1});
        let after = json!({"a": {"1": 5e-324, "x.y": {}}, "l": [0, "1"]});
        let difference = crate::value::difference(before.as_object().unwrap(), after.as_object().unwrap());
        let row = LoggedEntry { at: Timestamp::from_millis(-5), fingerprint: "f".into(), result: Json::Null };
        Entry {
            logged: Logged {
                command: CommandId::new("c\"1").unwrap(),
                entry: Some(row),
                ops: vec![
                    (key("../a"), put),
                    (key("b"), LoggedOp::Change(Arc::new(difference))),
                    (key("c"), LoggedOp::Delete),
                ],
            },
            outcomes: vec![Some((revision(1), 3)), Some((revision(u64::MAX), 2)), None],
            checks: vec![Check { key: key("d"), revision: revision(4) }],
        }
    }

    fn sweep() -> Entry {
        Entry {
            logged: Logged { command: CommandId::sweep(), entry: None, ops: vec![] },
            outcomes: vec![],
            checks: vec![],
        }
    }

    #[test]
    fn a_commit_reads_back_exactly_as_it_was_written() {
        let commits = vec![entry(), sweep()];
        let bytes = write(7, "prev", "01234567-89", Timestamp::from_millis(1), &commits).unwrap();
        let file = read(&bytes, 7, "prev").unwrap();
        assert_eq!(file.commits, commits);
        // `==` takes -0.0 for 0.0, so the texts are compared too.
        assert_eq!(write(7, "prev", "01234567-89", file.at, &file.commits).unwrap(), bytes);
        assert_eq!(serde_json::from_slice::<Json>(&bytes).unwrap()["commits"][0]["ops"][2]["op"], "delete");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_commit_is_seen() {
        let bytes = write(7, "prev", "01234567-89", Timestamp::from_millis(1), &[entry(), sweep()]).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(read(&flipped, 7, "prev").is_err(), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length], 7, "prev").is_err(), "cut to {length}");
        }
    }

    #[test]
    fn a_commit_in_another_place_is_seen() {
        let bytes = write(7, "prev", "01234567-89", Timestamp::from_millis(1), &[entry()]).unwrap();
        assert!(read(&bytes, 8, "prev").unwrap_err().contains("renamed"));
        assert!(read(&bytes, 7, "other").unwrap_err().contains("replaced"));
    }
}
