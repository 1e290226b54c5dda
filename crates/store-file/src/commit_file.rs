//! The format of commit files: one or more commits as JSON, one operation a line, sealed with a checksum. An operation
//! states the result, not the expectation, so replaying a log decides nothing.
//!
//! Known as: redo log of a write-ahead log, one record a file; hash chain.
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
//! `"checks":[{"c":…,"id":…,"rev":…}]` before the operations of a command lists documents that it read and did not
//! write. `store` is the beginning of the store's id. It identifies a stray commit, and commits of this store behind a
//! damaged one. A sweep or a migration is not a command: it has no `at`, `fingerprint` and `result`, and no row in the
//! command ledger.

use std::borrow::Cow;
use std::sync::Arc;

use runstate_core::id::{CommandId, Revision};
use runstate_core::schema::Key;
use runstate_store::tables::{DocumentChange, LedgerEntry, LoggedCommit, LoggedOp, PlannedCommit};
use runstate_store::{Batch, COMMANDS, Check, StoreError};
use runstate_value::time::Timestamp;
use runstate_value::{Difference, Document, FieldPath, Json};
use serde::{Deserialize, Serialize};

use super::format::{check_seal, seal};

/// The contents of a commit file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CommitFile {
    /// Sequence number; equals the name.
    pub seq: u64,
    /// Hash of the file before it.
    pub prev: String,
    /// The first 8 characters of the store's id. Older files lack it.
    #[serde(default)]
    pub store: Option<String>,
    /// Time of the writer. Only `seq` gives the order.
    pub at: Timestamp,
    /// The commits, in order.
    pub commits: Vec<CommitEntry>,
}

/// The revision and schema version after an operation; `None` after a deletion.
pub type OpOutcome = Option<(Revision, u32)>;

/// One commit. A commit of a command also inserts a row into the command ledger.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "CommitEntryInput")]
pub struct CommitEntry {
    /// The operations and the ledger row, which the tables replay.
    pub logged: LoggedCommit,
    /// The outcome of each operation. Replay does not need it; it reveals damage.
    pub outcomes: Vec<OpOutcome>,
    /// Documents that were read and not written. Replay does not need them; a repair decides with them.
    pub checks: Vec<Check>,
}

impl CommitEntry {
    /// Creates the entry of a command from its planned batch.
    pub fn from_batch(batch: &Batch, commit: &PlannedCommit) -> Self {
        let mut changes = commit.changes.iter().peekable();
        let (mut ops, mut outcomes) = (Vec::new(), Vec::new());
        for write in &batch.writes {
            // A write without effect (the deletion of a missing document) has no change and needs no line.
            if let Some(change) = changes.next_if(|change| change.key == write.key) {
                ops.push((write.key.clone(), LoggedOp::from(&write.op)));
                outcomes.push(change.after.as_ref().map(|s| (s.revision.clone(), s.version)));
            }
        }
        let (at, fingerprint, result) = (batch.at, batch.fingerprint.clone(), batch.result.clone());
        let entry = Some(LedgerEntry { at, fingerprint, result });
        let checks = batch.checks.clone();
        Self { logged: LoggedCommit { command: batch.command.clone(), entry, ops }, outcomes, checks }
    }

    /// Creates the entry of a planned commit without checks and without a ledger row, whose operations all have an
    /// effect.
    pub fn from_planned(logged: LoggedCommit, commit: &PlannedCommit) -> Self {
        let outcome = |change: &DocumentChange| change.after.as_ref().map(|s| (s.revision.clone(), s.version));
        Self { logged, outcomes: commit.changes.iter().map(outcome).collect(), checks: Vec::new() }
    }

    /// Checks that replaying the entry gave the recorded outcomes. The error names the first document that differs.
    pub fn verify_replay(&self, replayed: &PlannedCommit) -> Result<(), String> {
        let mut changes =
            replayed.changes.iter().filter(|change| change.key.collection != COMMANDS.name || self.is_sweep());
        for ((key, _), outcome) in self.logged.ops.iter().zip(&self.outcomes) {
            let change = changes.next().filter(|change| change.key == *key);
            let after = change.map(|c| c.after.as_ref().map(|s| (s.revision.clone(), s.version)));
            if after.as_ref() != Some(outcome) {
                return Err(format!(
                    "replaying command `{}` does not give the recorded revision of {key}",
                    self.logged.command
                ));
            }
        }
        Ok(())
    }

    fn is_sweep(&self) -> bool {
        self.logged.entry.is_none()
    }
}

#[derive(Serialize)]
struct CommitEntryOutput<'a> {
    cmd: &'a CommandId,
    #[serde(flatten)]
    row: Option<LedgerFields<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckLine<'a>>,
}

/// A document that was read and not written, as a line of the file.
#[derive(Serialize, Deserialize)]
struct CheckLine<'a> {
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    rev: Revision,
}

#[derive(Serialize)]
struct LedgerFields<'a> {
    at: Timestamp,
    fingerprint: &'a str,
    result: &'a Json,
}

#[derive(Deserialize)]
struct CommitEntryInput {
    cmd: CommandId,
    at: Option<Timestamp>,
    fingerprint: Option<String>,
    // A missing result differs from a result that is null.
    #[serde(default, deserialize_with = "runstate_value::deserialize_some")]
    result: Option<Json>,
    #[serde(default)]
    checks: Vec<CheckLine<'static>>,
    ops: Vec<OpLine<'static>>,
}

/// An operation, as a line of the file.
#[derive(Serialize, Deserialize)]
struct OpLine<'a> {
    op: OpKind,
    c: Cow<'a, str>,
    id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rev: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doc: Option<Arc<Document>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    set: Cow<'a, [(FieldPath, Json)]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    unset: Cow<'a, [FieldPath]>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpKind {
    Put,
    Change,
    Delete,
}

impl<'a> OpLine<'a> {
    fn new(key: &'a Key, op: &'a LoggedOp, outcome: Option<&(Revision, u32)>) -> Self {
        let none: (&[_], &[_]) = (&[], &[]);
        let (kind, doc, (set, unset)) = match op {
            LoggedOp::Put { document, .. } => (OpKind::Put, Some(document.clone()), none),
            LoggedOp::Change(difference) => (OpKind::Change, None, (&*difference.set, &*difference.unset)),
            LoggedOp::Delete => (OpKind::Delete, None, none),
        };
        let (c, id) = (Cow::Borrowed(&*key.collection), Cow::Borrowed(&*key.id));
        let (rev, v) = outcome.cloned().unzip();
        Self { op: kind, c, id, rev, v, doc, set: Cow::Borrowed(set), unset: Cow::Borrowed(unset) }
    }

    fn into_operation(self) -> Result<(Key, LoggedOp, OpOutcome), String> {
        let outcome = self.rev.zip(self.v);
        let key = Key { collection: Cow::Owned(self.c.into_owned()), id: self.id.into() };
        let op = match (self.op, self.doc, &outcome) {
            (OpKind::Put, Some(document), Some((_, version))) => LoggedOp::Put { version: *version, document },
            (OpKind::Change, None, Some(_)) => {
                LoggedOp::Change(Arc::new(Difference { set: self.set.into_owned(), unset: self.unset.into_owned() }))
            }
            (OpKind::Delete, None, None) => LoggedOp::Delete,
            _ => return Err(format!("the operation on {key} has missing or unexpected members")),
        };
        Ok((key, op, outcome))
    }
}

impl TryFrom<CommitEntryInput> for CommitEntry {
    type Error = String;

    fn try_from(entry: CommitEntryInput) -> Result<Self, String> {
        let row = match (entry.at, entry.fingerprint, entry.result) {
            (Some(at), Some(fingerprint), Some(result)) => Some(LedgerEntry { at, fingerprint, result }),
            (None, None, None) => None,
            _ => return Err(format!("command `{}` has only a part of its ledger row", entry.cmd)),
        };
        let (mut ops, mut outcomes) = (Vec::with_capacity(entry.ops.len()), Vec::with_capacity(entry.ops.len()));
        for line in entry.ops {
            let (key, op, outcome) = line.into_operation()?;
            ops.push((key, op));
            outcomes.push(outcome);
        }
        let check = |CheckLine { c, id, rev }: CheckLine<'static>| Check {
            key: Key { collection: Cow::Owned(c.into_owned()), id: id.into() },
            revision: rev,
        };
        let checks = entry.checks.into_iter().map(check).collect();
        Ok(Self { logged: LoggedCommit { command: entry.cmd, entry: row, ops }, outcomes, checks })
    }
}

/// Returns the part of a store's id that commits contain.
pub fn store_tag(store: &str) -> &str {
    store.get(..8).unwrap_or(store)
}

/// Returns the bytes of a commit file.
pub fn write(seq: u64, prev: &str, store: &str, at: Timestamp, commits: &[CommitEntry]) -> Result<Vec<u8>, StoreError> {
    let unwritable = |e: serde_json::Error| StoreError::Unavailable {
        what: "writing a commit as JSON".to_owned(),
        why: e.to_string(),
    };
    write_lines(seq, prev, store, at, commits).map(seal).map_err(unwritable)
}

fn write_lines(
    seq: u64,
    prev: &str,
    store: &str,
    at: Timestamp,
    commits: &[CommitEntry],
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(512);
    let (store, at) = (Json::from(store_tag(store)), at.as_millis());
    out.extend_from_slice(format!(r#"{{"seq":{seq},"prev":"{prev}","store":{store},"at":{at},"commits":["#).as_bytes());
    for (i, CommitEntry { logged, outcomes, checks }) in commits.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        let row =
            logged.entry.as_ref().map(|e| LedgerFields { at: e.at, fingerprint: &e.fingerprint, result: &e.result });
        let checks = checks.iter().map(|Check { key, revision }| CheckLine {
            c: Cow::Borrowed(&*key.collection),
            id: Cow::Borrowed(&*key.id),
            rev: revision.clone(),
        });
        serde_json::to_writer(&mut out, &CommitEntryOutput { cmd: &logged.command, row, checks: checks.collect() })?;
        // The object is reopened for the operations, each on a line of its own.
        out.pop();
        out.extend_from_slice(b",\"ops\":[");
        for (j, ((key, op), outcome)) in logged.ops.iter().zip(outcomes).enumerate() {
            out.extend_from_slice(if j == 0 { b"\n" } else { b",\n" });
            serde_json::to_writer(&mut out, &OpLine::new(key, op, outcome.as_ref()))?;
        }
        out.extend_from_slice(if logged.ops.is_empty() { b"]}" } else { b"\n]}" });
    }
    out.extend_from_slice(b"\n]");
    Ok(out)
}

/// Reads the file of commit `seq`, whose predecessor has the hash `prev`. The error says what is wrong with the file.
pub fn read(bytes: &[u8], seq: u64, prev: &str) -> Result<CommitFile, String> {
    let file = read_unchained(bytes, seq)?;
    if file.prev != prev {
        return Err("its `prev` is not the hash of the file before it: one of the two files was replaced".to_owned());
    }
    Ok(file)
}

/// Reads the file of commit `seq` and does not check its predecessor.
pub fn read_unchained(bytes: &[u8], seq: u64) -> Result<CommitFile, String> {
    check_seal(bytes)?;
    let file: CommitFile = serde_json::from_slice(bytes).map_err(|e| format!("it is not a valid commit ({e})"))?;
    if file.seq == seq { Ok(file) } else { Err(format!("its `seq` is {}: it was renamed or copied", file.seq)) }
}

/// Returns the ids of the commands in a damaged file, and the keys of the documents that they write, as far as its
/// lines can be read.
pub fn scan(bytes: &[u8]) -> (Vec<String>, Vec<Key>) {
    let text = String::from_utf8_lossy(bytes);
    let (mut commands, mut keys) = (Vec::new(), Vec::new());
    // A sweep or a migration has no ledger row, and its operations need no name.
    let mut is_command = false;
    for line in text.lines() {
        if let Some((id, rest)) = line.strip_prefix("{\"cmd\":").and_then(leading_text) {
            is_command = !rest.starts_with(",\"ops\":");
            commands.extend(is_command.then_some(id));
        } else if is_command && line.starts_with("{\"op\":") {
            let key = || {
                let (collection, rest) = leading_text(line.split_once(",\"c\":")?.1)?;
                let (id, _) = leading_text(rest.strip_prefix(",\"id\":")?)?;
                Some(Key { collection: collection.into(), id: id.into() })
            };
            keys.extend(key());
        }
    }
    (commands, keys)
}

/// Returns the JSON string at the beginning of a text, and the text after it.
fn leading_text(value: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
    let text = values.next()?.ok()?;
    Some((text, value.get(values.byte_offset()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry() -> CommitEntry {
        let key = |id: &str| Key { collection: "demo.notes".into(), id: id.into() };
        let revision = |n: u64| Revision::parse(&format!("{n}-0123456789ab")).unwrap();
        let document = json!({
            "text": "é\u{0}\u{7f}\u{2028}\"\\\n🦀", "": [], "float": [0.1, 1e300, 5e-324, -0.0, 1.0, 333333333.3333333],
            "int": [i64::MIN, i64::MAX, u64::MAX, 9007199254740993u64], "deep": {"a": {"b": [null, true]}}, "$ref": 1
        });
        let put = LoggedOp::Put { version: 3, document: Arc::new(document.as_object().unwrap().clone()) };
        let before = json!({"a": {"1": 0}, "l": [0], "gone": 1});
        let after = json!({"a": {"1": 5e-324, "x.y": {}}, "l": [0, "1"]});
        let difference = runstate_value::difference(before.as_object().unwrap(), after.as_object().unwrap());
        let row = LedgerEntry { at: Timestamp::from_millis(-5), fingerprint: "f".into(), result: Json::Null };
        CommitEntry {
            logged: LoggedCommit {
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

    fn sweep() -> CommitEntry {
        CommitEntry {
            logged: LoggedCommit { command: CommandId::sweep(), entry: None, ops: vec![] },
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
        // `==` does not distinguish -0.0 from 0.0, so the texts are compared too.
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
    fn a_renamed_or_unchained_commit_is_rejected() {
        let bytes = write(7, "prev", "01234567-89", Timestamp::from_millis(1), &[entry()]).unwrap();
        assert!(read(&bytes, 8, "prev").unwrap_err().contains("renamed"));
        assert!(read(&bytes, 7, "other").unwrap_err().contains("replaced"));
    }
}
