//! Reads the sources and checks the invariants of ARCHITECTURE.md. The rules are a table in `layering/rules.rs`. Each rule is tested there on samples
//! that break it.

use std::io;
use std::path::{Path, PathBuf};

#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/source.rs"]
mod source;
#[path = "layering/tokens.rs"]
mod tokens;

use rules::Breach;
use source::RustSource;

fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file below `folder`, relative to the checkout and sorted. A missing folder has none.
fn text_files(folder: &str) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![checkout().join(folder)];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !matches!(name, "node_modules" | "dist" | "target") {
                    folders.push(path);
                }
            } else if let Ok(text) = String::from_utf8(std::fs::read(&path)?) {
                found.push((relative(&path), text));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn relative(path: &Path) -> String {
    let below = path.strip_prefix(checkout()).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The Rust files of `src` that ship. Files that are declared for tests only are excluded.
fn sources() -> io::Result<Vec<RustSource>> {
    let files = text_files("src")?.into_iter().filter(|(file, _)| file.ends_with(".rs"));
    let all: Vec<RustSource> = files.map(|(file, text)| RustSource::read(&file, &text)).collect();
    // A rule always holds for an empty list of files.
    assert!(all.iter().any(|source| source.file == "src/lib.rs"), "src/lib.rs was not found below {:?}", checkout());
    let tests: Vec<String> = all.iter().flat_map(|source| source.test_modules.clone()).collect();
    Ok(all.into_iter().filter(|source| !tests.iter().any(|module| source.is_part_of(module))).collect())
}

#[track_caller]
fn expect_no_breaches(breaches: impl IntoIterator<Item = Breach>) {
    let shown: Vec<String> = breaches.into_iter().map(|breach| breach.to_string()).collect();
    assert!(shown.is_empty(), "{} broken:\n{}", shown.len(), shown.join("\n"));
}

#[test]
fn a_room_uses_only_the_rooms_before_it() -> io::Result<()> {
    let sources = sources()?;
    let root = rules::root(&sources);
    expect_no_breaches(sources.iter().flat_map(|source| rules::rooms(source, &root)));
    Ok(())
}

#[test]
fn the_rooms_for_every_domain_name_none() -> io::Result<()> {
    let sources = sources()?;
    let domains = rules::domains(&sources);
    expect_no_breaches(sources.iter().flat_map(|source| rules::domain_names(source, &domains)));
    Ok(())
}

#[test]
fn the_pure_rooms_have_no_async_clock_entropy_or_io() -> io::Result<()> {
    expect_no_breaches(sources()?.iter().flat_map(rules::purity));
    Ok(())
}

#[test]
fn cfg_on_features_and_targets_is_only_on_modules() -> io::Result<()> {
    expect_no_breaches(sources()?.iter().flat_map(rules::cfgs));
    Ok(())
}

#[test]
fn sources_contain_no_todo_or_fixme() -> io::Result<()> {
    expect_no_breaches(text_files("src")?.iter().flat_map(|(file, text)| rules::unfinished(file, text)));
    Ok(())
}

#[test]
fn sources_contain_no_machine_specific_path() -> io::Result<()> {
    for folder in ["src", "cli", "xtask", "tests", "benches", "examples", "pkg", "www"] {
        expect_no_breaches(text_files(folder)?.iter().flat_map(|(file, text)| rules::machine_paths(file, text)));
    }
    Ok(())
}

#[test]
fn the_architecture_page_names_every_room() -> io::Result<()> {
    let mut folders: Vec<String> = sources()?.iter().filter_map(|source| folder(&source.file)).collect();
    folders.dedup();
    let page = std::fs::read_to_string(checkout().join("ARCHITECTURE.md")).ok();
    expect_no_breaches(rules::architecture(page.as_deref(), &folders));
    Ok(())
}

/// `open_store` of `src/store/memory.rs`. A room that is one file has no folder.
fn folder(file: &str) -> Option<String> {
    let (folder, _) = file.strip_prefix("src/")?.split_once('/')?;
    Some(folder.to_owned())
}
