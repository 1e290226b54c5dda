//! Files that are too large, and files that are not text.

use runstate::value::{check_plain, json_bytes};

use super::*;
use crate::sandbox::TEXT_BYTES;
use crate::sandbox::error::Action;
use crate::sandbox::list::{ListLimits, list_names_within};

/// The longest text that fits; quotes are part of its JSON.
const LONGEST: usize = TEXT_BYTES - 2;

#[test]
fn a_text_as_large_as_an_answer_may_be_is_read() {
    let scene = SandboxFixture::new();
    scene.file("a.txt", "x".repeat(LONGEST));
    let text = scene.grants.perform_blocking("fs.readFile", &json!({ "path": "a.txt" })).unwrap();
    assert_eq!(text.as_str().unwrap().len(), LONGEST);
    assert_eq!(check_plain(&text), Ok(()));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let scene = SandboxFixture::new();
    scene.file("more.txt", "x".repeat(LONGEST + 1));
    // A sparse file of a gigabyte takes no disk space.
    fs::File::create(scene.at("sparse")).unwrap().set_len(1 << 30).unwrap();
    // In JSON, each of these characters has six bytes.
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
    let scene = SandboxFixture::new();
    assert_refused(scene.write("a.txt", &"x".repeat(LONGEST + 1)), ErrorName::Error, "as JSON; at most");
    assert!(scene.entries().is_empty());
}

#[test]
fn the_largest_text_of_a_call_round_trips() {
    let scene = SandboxFixture::new();
    // The smallest size of the other arguments.
    let rest = json_bytes(&json!({ "path": "a", "text": "" }));
    let text = "x".repeat(runstate::limits::PLAIN_VALUE_BYTES - rest);
    assert_eq!(check_plain(&json!({ "path": "a", "text": text })), Ok(()));
    scene.write("a", &text).unwrap();
    assert_eq!(scene.read("a").unwrap(), text);
}

#[test]
fn a_file_is_read_byte_for_byte() {
    let scene = SandboxFixture::new();
    for text in ["", "\u{feff}with a mark", "a\0b", "line\r\nline\n", "ü 文 \u{1f600}"] {
        scene.file("a.txt", text);
        assert_eq!(scene.read("a.txt").unwrap(), text);
        scene.write("b.txt", text).unwrap();
        assert_eq!(fs::read_to_string(scene.at("b.txt")).unwrap(), text);
    }
}

#[test]
fn non_utf8_is_refused_with_its_byte_position() {
    let scene = SandboxFixture::new();
    for (bytes, at) in [(&b"caf\xe9"[..], 4), (b"\xff\xfea\0", 1), (b"cut off \xe2\x82", 9), (b"\xed\xa0\x80", 1)] {
        scene.file("a.bin", bytes);
        let why = format!("it is not valid UTF-8: byte {at} is the first invalid byte");
        assert_refused(scene.read("a.bin"), ErrorName::Error, &why);
    }
}

#[test]
fn a_listing_is_limited_in_entries_and_bytes() {
    let scene = SandboxFixture::new();
    for name in ["a", "b", "c"] {
        scene.file(name, "");
    }
    let dir = scene.grants.read[0].dir();
    let list = |entries, bytes| {
        let listed = list_names_within(&ListLimits { entries, bytes }, dir, Path::new("."));
        listed.map_err(|fault| fault.into_call_error(Action::List, "."))
    };
    let whole = json!(["a", "b", "c"]);
    let bytes = json_bytes(&whole);
    assert_eq!(list(3, bytes), Ok(whole));
    let refused = |message: &str| Err(FileCallError { name: ErrorName::Error, message: message.to_owned() });
    assert_eq!(list(2, bytes), refused(r#"listing ".": it has more than 2 names; at most 2 are allowed"#));
    assert_eq!(list(3, 12), refused(r#"listing ".": it has 13 bytes of names as JSON; at most 12 are allowed"#));
    // Entries that are left out count too: a folder of only such entries takes as long to read.
    fs::write(scene.at(".runstate-1-1.draft"), "").unwrap();
    assert_eq!(list(3, bytes), refused(r#"listing ".": it has more than 3 names; at most 3 are allowed"#));
}
