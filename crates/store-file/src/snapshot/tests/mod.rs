//! Snapshots read back exactly as they were written, and every damage is detected.

mod damage;
mod differential;

use std::sync::Arc;

use runstate_core::id::CommandId;
use runstate_core::schema::Direction::{Ascending, Descending};
use runstate_core::schema::{Catalog, Collection, Field, Index, Key, Literal, Predicate, Query, Ttl};
use runstate_store::tables::{BatchPlan, Tables};
use runstate_store::{Batch, BatchLimits, Expectation, StoreError, Write, WriteOp};
use runstate_value::Json;
use runstate_value::time::{Millis, Timestamp};
use serde_json::json;

use super::{SnapshotBase, SnapshotHeader, open, write};
use crate::fs::{FsError, RandomAccessFile, Reason};

const NOTES: Collection = Collection::new("t.notes", 1)
    .fields(&[
        Field::json("a").optional(),
        Field::decimal("b").optional(),
        Field::list("tags").optional(),
        Field::text("text").optional(),
        Field::json("any").optional(),
        Field::timestamp("at").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("a", Ascending), ("b", Descending)]),
        Index::ordered(&[("b", Ascending)]),
        Index::ordered(&[("at", Descending)]).partial(Predicate::Exists("at")),
        Index::each(&[("tags", Ascending)]),
        Index::text(&[("text", Ascending)]),
        Index::contains(&[("any", Ascending)]),
    ])
    .ttl(Ttl { field: "at", after: Millis(10), partial: None });

const NAMES: Collection = Collection::new("t.names", 1)
    .fields(&[Field::text("name").optional(), Field::bool("live").default(Literal::Bool(true))])
    .indexes(&[Index::ordered(&[("name", Ascending)]).unique().partial(Predicate::Eq("live", Literal::Bool(true)))]);

/// A file in memory.
struct Bytes(Vec<u8>);

impl RandomAccessFile for Bytes {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let found = usize::try_from(offset).ok().and_then(|at| self.0.get(at..at.checked_add(length)?));
        found.map(<[u8]>::to_vec).ok_or_else(|| FsError {
            reason: Reason::Other,
            call: "read",
            path: "bytes".into(),
            why: "the file ends too early".into(),
        })
    }
}

fn catalog() -> Catalog {
    Catalog::new(&[&NOTES, &NAMES]).unwrap()
}

fn header() -> SnapshotHeader {
    SnapshotHeader { snapshot: 9, format: 1, store: "s".into(), prev: "p".into() }
}

fn open_base(bytes: &[u8]) -> Arc<SnapshotBase> {
    open(Arc::new(Bytes(bytes.to_vec())), 9, "s", "it").unwrap().1
}

fn put(collection: &Collection, id: &str, document: Json) -> Write {
    let document = Arc::new(document.as_object().unwrap().clone());
    Write { key: Key::new(collection, id), expect: Expectation::Any, op: WriteOp::Put { version: 1, document } }
}

fn batch(command: &str, writes: Vec<Write>) -> Batch {
    Batch {
        command: CommandId::new(command).unwrap(),
        fingerprint: "f".to_owned(),
        at: Timestamp::from_millis(0),
        result: Json::Null,
        writes,
        checks: vec![],
        frees_space: false,
    }
}

fn commit(tables: &mut Tables, batch: &Batch) {
    match tables.plan(batch).unwrap() {
        BatchPlan::PlannedCommit(commit) => tables.apply(commit),
        BatchPlan::Replay(_) => panic!("replayed"),
    }
}

fn note(n: u32) -> Json {
    json!({"a": n % 5, "b": format!("{}.5", n % 3), "tags": [n % 4, "x\n"], "text": format!("Word{} here", n % 3), "any": n % 2, "at": n})
}

fn filled_tables(count: u32) -> Tables {
    let mut tables = Tables::new(&catalog(), BatchLimits::default());
    let notes = (0..count).map(|n| put(&NOTES, &format!("{n:05}"), note(n)));
    let names = (0..3).map(|n| put(&NAMES, &format!("n{n}"), json!({"live": true, "name": n.to_string()})));
    commit(&mut tables, &batch("fill", notes.chain(names).collect()));
    tables
}

fn tables_over(base: Arc<SnapshotBase>) -> Tables {
    let mut tables = Tables::with_base(base, BatchLimits::default()).unwrap();
    tables.declare(&catalog()).unwrap();
    tables
}

/// Returns all documents and entries of tables as text.
fn dump(tables: &Tables) -> Result<String, StoreError> {
    let mut out = Vec::new();
    for row in tables.iter() {
        let (collection, id, stored) = row?;
        let again = tables.get(&Key { collection: collection.to_owned().into(), id: id.clone() })?;
        assert_eq!(again.as_ref(), Some(&stored));
        out.push(format!("{collection} {id} {stored:?}"));
    }
    for part in tables.indexes() {
        for row in tables.entries(&part, std::ops::Bound::Unbounded) {
            out.push(format!("{} {:?} {:?}", part.collection, part.kind, row?));
        }
    }
    let backward = tables.query(&Query::of(&NOTES).eq("a", 1).sort("b", Ascending))?;
    out.push(format!("{:?}", backward.items));
    Ok(out.join("\n"))
}

#[test]
fn a_snapshot_reads_back_exactly_and_is_written_again_the_same() {
    let tables = filled_tables(300);
    for least in [1, 300, 4_000, 1 << 20] {
        let bytes = super::write::pieces_with_block_size(&header(), &tables, least).into_bytes().unwrap();
        let base = open_base(&bytes);
        base.verify().unwrap();
        assert_eq!((base.rows(), base.size()), (304, bytes.len() as u64));
        let read = tables_over(base);
        assert_eq!(read.len(), tables.len());
        assert_eq!(dump(&read).unwrap(), dump(&tables).unwrap(), "blocks of {least}");
        assert_eq!(
            super::write::pieces_with_block_size(&header(), &read, least).into_bytes().unwrap(),
            bytes,
            "blocks of {least}"
        );
    }
}

#[test]
fn the_bytes_of_an_empty_snapshot_never_change() {
    let bytes = write(&header(), &Tables::new(&catalog(), BatchLimits::default())).unwrap();
    let lines = std::str::from_utf8(&bytes).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines[0], r#"{"snapshot":9,"format":1,"store":"s","prev":"p"}"#);
    assert!(lines[1].starts_with(r#"{"index_at":49,"documents":0,"crc":""#), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
    assert!(tables_over(open_base(&bytes)).is_empty());
}

#[test]
fn a_stored_index_is_reused_and_a_redeclared_one_is_rebuilt() {
    /// Counts the reads.
    struct CountingFile(Bytes, std::sync::atomic::AtomicUsize);
    impl RandomAccessFile for CountingFile {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
            self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.0.read_at(offset, length)
        }
    }
    const OTHERWISE: Collection = Collection::new("t.notes", 1)
        .fields(&[Field::json("a").optional(), Field::timestamp("at").optional()])
        .indexes(&[Index::ordered(&[("at", Ascending)])]);
    let tables = filled_tables(300);
    let bytes = super::write::pieces_with_block_size(&header(), &tables, 1_000).into_bytes().unwrap();
    let source = Arc::new(CountingFile(Bytes(bytes), Default::default()));
    let base = open(source.clone(), 9, "s", "it").unwrap().1;
    let read = |work: &mut dyn FnMut()| {
        let before = source.1.load(std::sync::atomic::Ordering::Relaxed);
        work();
        source.1.load(std::sync::atomic::Ordering::Relaxed) - before
    };
    let mut tables = Tables::with_base(base, BatchLimits::default()).unwrap();
    assert_eq!(read(&mut || tables.declare(&catalog()).unwrap()), 0);
    let twenty = Query::of(&NOTES).eq("a", 3).sort("b", Descending).limit(20);
    assert!(read(&mut || assert_eq!(tables.query(&twenty).unwrap().items.len(), 20)) < 40);
    let other = Catalog::new(&[&OTHERWISE]).unwrap();
    assert!(read(&mut || tables.declare(&other).unwrap()) > 10, "it is built from the documents");
    let latest = Query::of(&OTHERWISE).sort("at", Descending).limit(1);
    assert_eq!(&*tables.query(&latest).unwrap().items[0].id, "00299");
    // Fields and indexes that this catalog does not declare are preserved.
    let again = tables_over(open_base(&write(&header(), &tables).unwrap()));
    assert_eq!(dump(&again).unwrap(), dump(&filled_tables(300)).unwrap());
}

#[test]
fn a_clash_in_a_base_or_above_it_is_found_when_uniqueness_is_declared() {
    const LOOSE: Collection = Collection::new("t.names", 1).fields(&[Field::text("name").optional()]);
    let named = |id: &str| put(&NAMES, id, json!({"live": true, "name": "same"}));
    let loose = Catalog::new(&[&LOOSE]).unwrap();
    let violated = |tables: &mut Tables| tables.declare(&catalog()).unwrap_err().code();
    let expected = runstate_core::error_code::ErrorCode::UNIQUE_VIOLATION;

    // One document in the base, one above it.
    let mut tables = Tables::new(&catalog(), BatchLimits::default());
    commit(&mut tables, &batch("1", vec![named("a")]));
    let mut above = Tables::with_base(open_base(&write(&header(), &tables).unwrap()), BatchLimits::default()).unwrap();
    above.declare(&loose).unwrap();
    commit(&mut above, &batch("2", vec![named("b")]));
    assert_eq!(violated(&mut above), expected);

    // A commit replayed over the index of a base, which is then written unchanged.
    let BatchPlan::PlannedCommit(planned) = above.plan(&batch("3", vec![named("c")])).unwrap() else { panic!() };
    let entry = crate::commit_file::CommitEntry::from_batch(&batch("3", vec![named("c")]), &planned);
    let mut followed = tables_over(open_base(&write(&header(), &tables).unwrap()));
    followed.apply_logged(&entry.logged).unwrap();
    let base = open_base(&write(&header(), &followed).unwrap());
    assert_eq!(violated(&mut Tables::with_base(base, BatchLimits::default()).unwrap()), expected);
}

#[test]
fn changes_anywhere_in_a_base_are_merged_into_the_next_snapshot() {
    let delete = |id: String| Write { key: Key::new(&NOTES, &id), expect: Expectation::Any, op: WriteOp::Delete };
    let change = |n: u32| put(&NOTES, &format!("{n:05}"), note(n + 7));
    let cases: [(&str, Vec<Write>); 6] = [
        ("nothing", vec![]),
        ("first and last", vec![change(0), change(299)]),
        ("before, between and after all", vec![put(&NOTES, "/", note(1)), put(&NOTES, "00007x", note(2)), change(900)]),
        ("a whole block is deleted", (100..160).map(|n| delete(format!("{n:05}"))).collect()),
        ("all are deleted", (0..300).map(|n| delete(format!("{n:05}"))).collect()),
        ("an entry of a unique index", vec![put(&NAMES, "n9", json!({"live": true, "name": "9"}))]),
    ];
    for (name, writes) in cases {
        for least in [1, 300, 4_000, 1 << 20] {
            let mut plain = filled_tables(300);
            let bytes = super::write::pieces_with_block_size(&header(), &plain, least).into_bytes().unwrap();
            let mut based = tables_over(open_base(&bytes));
            let batch = batch("change", writes.clone());
            commit(&mut plain, &batch);
            commit(&mut based, &batch);
            let merged =
                open_base(&super::write::pieces_with_block_size(&header(), &based, least).into_bytes().unwrap());
            merged.verify().unwrap();
            assert_eq!(dump(&tables_over(merged)).unwrap(), dump(&plain).unwrap(), "{name}, blocks of {least}");
        }
    }
}

#[test]
fn the_id_of_a_line_is_found_without_parsing_the_rest() {
    let stored = filled_tables(1).get(&Key::new(&NOTES, "00000")).unwrap().unwrap();
    for (collection, id) in [("t.notes", "a"), ("t.notes", "\"\\é\u{7f}"), ("un\"declared", "x")] {
        let mut line = Vec::new();
        super::block::write_document(&mut line, collection, id, &stored).unwrap();
        let key = super::block::parse_key(&line, super::block::SectionKind::Documents).unwrap();
        assert_eq!(&*key, id.as_bytes(), "{collection}");
    }
}
