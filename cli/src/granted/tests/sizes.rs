//! What is too much, and what is no text.

use runstate::value::check_plain;

use super::*;
use crate::granted::TEXT_BYTES;
use crate::granted::list::ENTRIES;

/// The longest text that fits; quotes are part of its JSON.
const LONGEST: usize = TEXT_BYTES - 2;

#[test]
fn a_text_as_large_as_an_answer_may_be_is_read() {
    let scene = Scene::new();
    scene.file("a.txt", "x".repeat(LONGEST));
    let text = scene.grants.perform_blocking("fs.readFile", &json!({ "path": "a.txt" })).unwrap();
    assert_eq!(text.as_str().unwrap().len(), LONGEST);
    assert_eq!(check_plain(&text), Ok(()));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let scene = Scene::new();
    scene.file("more.txt", "x".repeat(LONGEST + 1));
    // A gigabyte of nothing, which takes no room.
    fs::File::create(scene.at("sparse")).unwrap().set_len(1 << 30).unwrap();
    // In JSON each of these is six bytes.
    scene.file("escaped.txt", "\u{1}".repeat(LONGEST / 2));
    for (path, size) in [
        ("more.txt", format!("{} bytes as JSON", LONGEST + 3)),
        ("sparse", "1073741824 bytes".to_owned()),
        ("escaped.txt", format!("{} bytes as JSON", LONGEST / 2 * 6 + 2)),
    ] {
        let why = format!("it has {size}; at most {TEXT_BYTES} are allowed");
        assert_refused(scene.read(path), ErrorName::Error, &why);
    }
}

#[test]
fn a_text_that_is_too_large_is_not_written() {
    let scene = Scene::new();
    assert_refused(scene.write("a.txt", &"x".repeat(LONGEST + 1)), ErrorName::Error, "as JSON; at most");
    assert!(scene.entries().is_empty());
}

#[test]
fn every_text_that_a_call_can_carry_is_written_and_read_again() {
    let scene = Scene::new();
    // The least there is beside the text.
    let rest = runstate::value::json_bytes(&json!({ "path": "a", "text": "" }));
    let text = "x".repeat(runstate::limits::PLAIN_VALUE_BYTES - rest);
    assert_eq!(check_plain(&json!({ "path": "a", "text": text })), Ok(()));
    scene.write("a", &text).unwrap();
    assert_eq!(scene.read("a").unwrap(), text);
}

#[test]
fn a_file_is_read_as_it_is() {
    let scene = Scene::new();
    for text in ["", "\u{feff}with a mark", "a\0b", "line\r\nline\n", "ü 文 \u{1f600}"] {
        scene.file("a.txt", text);
        assert_eq!(scene.read("a.txt").unwrap(), text);
        scene.write("b.txt", text).unwrap();
        assert_eq!(fs::read_to_string(scene.at("b.txt")).unwrap(), text);
    }
}

#[test]
fn what_is_no_text_is_refused_with_the_place() {
    let scene = Scene::new();
    for (bytes, at) in [(&b"caf\xe9"[..], 4), (b"\xff\xfea\0", 1), (b"cut off \xe2\x82", 9), (b"\xed\xa0\x80", 1)] {
        scene.file("a.bin", bytes);
        let why = format!("it is not text in UTF-8: byte {at} is the first that is not");
        assert_refused(scene.read("a.bin"), ErrorName::Error, &why);
    }
}

#[test]
fn a_listing_has_its_bounds() {
    let scene = Scene::new();
    for name in 0..ENTRIES {
        fs::File::create(scene.at(&name.to_string())).unwrap();
    }
    assert_eq!(scene.list(".").unwrap().len(), ENTRIES);
    scene.file("one more", "");
    assert_refused(scene.list("."), ErrorName::Error, "the folder has more than 10000 names");
}

#[test]
fn long_names_are_bounded_before_there_are_many() {
    let scene = Scene::new();
    for name in 0..5_000 {
        fs::File::create(scene.at(&format!("{name:0>240}"))).unwrap();
    }
    assert_refused(scene.list("."), ErrorName::Error, "bytes of names as JSON; at most");
}
