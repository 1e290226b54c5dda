//! What is too much, and what is no text.

use runstate::value::{check_plain, json_bytes};

use super::*;
use crate::granted::TEXT_BYTES;
use crate::granted::list::{Bounds, names_within};
use crate::granted::refused::Action;

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
    let rest = json_bytes(&json!({ "path": "a", "text": "" }));
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
    for name in ["a", "b", "c"] {
        scene.file(name, "");
    }
    let dir = scene.grants.read[0].dir();
    let list = |entries, bytes| {
        let listed = names_within(&Bounds { entries, bytes }, dir, Path::new("."));
        listed.map_err(|fault| fault.refused(Action::List, "."))
    };
    let whole = json!(["a", "b", "c"]);
    let bytes = json_bytes(&whole);
    assert_eq!(list(3, bytes), Ok(whole));
    let refused = |message: &str| Err(Refused { name: ErrorName::Error, message: message.to_owned() });
    assert_eq!(list(2, bytes), refused(r#"listing ".": it has more than 2 names; at most 2 are allowed"#));
    assert_eq!(list(3, 12), refused(r#"listing ".": it has 13 bytes of names as JSON; at most 12 are allowed"#));
    // Those that are left out count too: a folder of nothing else would take as long to look through.
    fs::write(scene.at(".runstate-1-1.draft"), "").unwrap();
    assert_eq!(list(3, bytes), refused(r#"listing ".": it has more than 3 names; at most 3 are allowed"#));
}
