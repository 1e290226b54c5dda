//! Damage of a snapshot is detected, and its intact blocks can be salvaged.

use std::sync::Arc;

use super::super::{SnapshotBase, SnapshotError, SnapshotHeader, open, open_damaged, write};
use super::*;

/// Opens and reads everything, with the checksum of the whole or without it.
fn read_all(bytes: &[u8], check_all: bool) -> Result<(SnapshotHeader, String), String> {
    let source = Arc::new(Bytes(bytes.to_vec()));
    let opened = if check_all { open(source, 9, "s", "it") } else { open_damaged(source, 9, "s", "it") };
    let (header, base) = opened.map_err(|error| format!("{error:?}"))?;
    let mut tables = Tables::with_base(base, BatchLimits::default()).map_err(|e| e.to_string())?;
    tables.declare(&catalog()).map_err(|e| e.to_string())?;
    Ok((header, dump(&tables).map_err(|e| e.to_string())?))
}

fn small() -> Vec<u8> {
    super::super::write::pieces_with_block_size(&header(), &filled_tables(3), 200).into_bytes().unwrap()
}

#[test]
fn every_flipped_byte_and_every_cut_of_a_snapshot_is_seen() {
    let bytes = small();
    let expected = read_all(&bytes, true).unwrap();
    assert_eq!(read_all(&bytes, false).unwrap(), expected);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= if at % 3 == 0 { 0xff } else { 1 << (at % 8) };
        assert!(read_all(&flipped, true).is_err(), "byte {at}");
        // As in a file too large for a whole check: each read value is still correct.
        if let Ok(read) = read_all(&flipped, false) {
            assert_eq!(read, expected, "byte {at}");
        }
    }
    for length in 0..bytes.len() {
        assert!(
            read_all(&bytes[..length], true).is_err() && read_all(&bytes[..length], false).is_err(),
            "cut to {length}"
        );
    }
}

/// A scan finds rows that contradict the directory. A read by key sees only the one block that the directory names.
#[test]
fn no_flipped_bit_of_a_large_snapshot_hides_a_document_from_its_key() {
    let bytes = small();
    // Opens it as a file that is too large for a whole check.
    let read = |bytes: &[u8]| {
        let (_, base) = open_damaged(Arc::new(Bytes(bytes.to_vec())), 9, "s", "it").ok()?;
        Tables::with_base(base, BatchLimits::default()).ok()
    };
    let tables = read(&bytes).unwrap();
    let document = |row: Result<_, StoreError>| {
        let (collection, id, stored): (&str, Arc<str>, _) = row.unwrap();
        (Key { collection: collection.to_owned().into(), id }, stored)
    };
    let documents: Vec<_> = tables.iter().map(document).collect();
    assert_eq!(documents.len(), 7);
    // Each block has its own checksum, so one bit of each byte there is enough.
    let text = std::str::from_utf8(&bytes).unwrap();
    let blocks = text.find('\n').unwrap()..text.find("\n{\"c\":\"runstate.commands\",\"rows\"").unwrap();
    let bits_of = |at: usize| if blocks.contains(&at) { at % 8..at % 8 + 1 } else { 0..8 };
    let (mut refused, mut opened) = (0, 0);
    for (at, bit) in (0..bytes.len()).flat_map(|at| bits_of(at).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let Some(tables) = read(&flipped) else {
            refused += 1;
            continue;
        };
        opened += 1;
        for (key, stored) in &documents {
            match tables.get(key) {
                Ok(read) => assert_eq!(read.as_ref(), Some(stored), "byte {at}, bit {bit}: {key:?}"),
                Err(error) => assert!(matches!(error, StoreError::Corrupt { .. }), "byte {at}, bit {bit}: {error}"),
            }
        }
    }
    assert!(refused > 0 && opened > 0, "{refused} were refused, {opened} were opened");
}

#[test]
fn an_inconsistent_directory_is_an_error_and_never_a_panic() {
    let bytes = small();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let at = text.find("\n{\"c\":\"runstate.commands\",\"rows\"").unwrap() + 1;
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    let last = &text[end..text.len() - 19];
    let sealed = |directory: &str| {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(text.split_inclusive('\n').next().unwrap().as_bytes());
        hasher.update(directory.as_bytes());
        let crc = crate::snapshot::open::crc_text(hasher.finalize());
        let was = last.rsplit('"').nth(1).unwrap();
        let open = [&text[..at], directory, &last.replace(was, &crc)].concat();
        crate::format::seal(open.into_bytes())
    };
    let directory = &text[at..end];
    assert!(sealed(directory) == bytes, "the test can write what the writer writes");
    for (from, to) in [
        ("\"rows\":1", "\"rows\":2"),
        ("\"rows\":1", "\"rows\":18446744073709551615"),
        ("\"bytes\":", "\"bytes\":9"),
        ("\"bytes\":", "\"bytes\":18446744073709551615,\"b\":"),
        ("\"at\":", "\"at\":1"),
        ("\"at\":", "\"at\":18446744073709551615,\"b\":"),
        ("\"crc\":\"", "\"crc\":\"x"),
        ("\"first\":\"", "\"first\":\"~"),
        ("\"c\":\"runstate.commands\"", "\"c\":\"zzz\""),
        ("\"c\":\"t.n", "\"d\":\"t.n"),
        ("{", "["),
        ("\n", ""),
    ] {
        for n in 0..directory.matches(from).count().min(40) {
            let place = directory.match_indices(from).nth(n).unwrap().0;
            let changed = [&directory[..place], to, &directory[place + from.len()..]].concat();
            let read = read_all(&sealed(&changed), true);
            let verified = open(Arc::new(Bytes(sealed(&changed))), 9, "s", "it").map(|(_, base)| base.verify());
            assert!(read.is_err() || !matches!(verified, Ok(Ok(()))), "{from} → {to}, {n}");
        }
    }
}

#[test]
fn a_damaged_block_is_named_and_all_others_can_be_saved() {
    let mut bytes =
        super::super::write::pieces_with_block_size(&header(), &filled_tables(100), 1_000).into_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let at = text.find(r#""id":"00050""#).unwrap();
    bytes[at + 20] ^= 1;
    assert!(matches!(open(Arc::new(Bytes(bytes.clone())), 9, "s", "it"), Err(SnapshotError::Invalid(_))));
    let (_, base): (_, Arc<SnapshotBase>) = open_damaged(Arc::new(Bytes(bytes)), 9, "s", "it").unwrap();
    assert!(base.verify().is_err());
    let salvaged = base.salvage();
    let [lost] = salvaged.lost.as_slice() else { panic!("{:?}", salvaged.lost) };
    let rows = base.rows() - salvaged.documents.len() as u64;
    assert!(lost.starts_with(&format!("{rows} documents of t.notes, from 000")), "{lost}");
    assert_eq!(salvaged.lost_documents.len() as u64, rows);
    assert!(salvaged.lost_documents.contains(&Key::new(&NOTES, "00050")), "{salvaged:?}");
    // A read that needs no damaged block succeeds.
    let mut tables = Tables::with_base(base, BatchLimits::default()).unwrap();
    tables.declare(&catalog()).unwrap();
    assert!(tables.get(&Key::new(&NOTES, "00001")).unwrap().is_some());
    let error = tables.get(&Key::new(&NOTES, "00050")).unwrap_err().to_string();
    assert!(error.contains("it at byte ") && error.contains("checksum"), "{error}");
    assert!(matches!(tables.plan(&batch("c", vec![put(&NOTES, "00050", note(1))])), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_snapshot_with_a_wrong_number_store_or_format_is_rejected() {
    let bytes = small();
    let wrong = |bytes: &[u8], seq, store| match open(Arc::new(Bytes(bytes.to_vec())), seq, store, "it") {
        Err(SnapshotError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(wrong(&bytes, 8, "s").contains("renamed"));
    assert!(wrong(&bytes, 9, "t").contains("another store"));
    let newer = write(&SnapshotHeader { format: 2, ..header() }, &filled_tables(1)).unwrap();
    assert!(wrong(&newer, 9, "s").contains("format 2"));
}
