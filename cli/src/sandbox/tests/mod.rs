//! A granted folder beside one that is not granted, and the results that a program gets.

mod contents;
mod paths;
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
mod races;
#[cfg(unix)]
mod special;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{ErrorName, FileCallError, Grants, SandboxArgs};

/// The text that no program may read.
const SECRET: &str = "the secret";

/// `granted/` is granted; `outside/` with its `secret.txt` is not.
struct SandboxFixture {
    folder: TempDir,
    grants: Grants,
}

impl SandboxFixture {
    fn new() -> Self {
        Self::with(|granted| SandboxArgs { allow_read: vec![granted.clone()], allow_write: vec![granted] })
    }

    fn with(allow: impl FnOnce(PathBuf) -> SandboxArgs) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["granted", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("outside/secret.txt"), SECRET).unwrap();
        let grants = open_grants(&allow(folder.path().join("granted")));
        Self { folder, grants }
    }

    /// A path in the granted folder.
    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("granted").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// Creates a file in the granted folder, with the folders on its path.
    fn file(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, contents).unwrap();
        at
    }

    fn read(&self, path: &str) -> Result<String, FileCallError> {
        read(&self.grants, path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileCallError> {
        list(&self.grants, path)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), FileCallError> {
        write(&self.grants, path, text)
    }

    /// Returns every name in the granted folder itself, drafts included.
    fn entries(&self) -> Vec<String> {
        names(&self.at(""))
    }

    /// Asserts that the other folder is unchanged.
    fn assert_outside_is_untouched(&self) {
        assert_eq!(names(&self.outside()), ["secret.txt"]);
        assert_eq!(fs::read_to_string(self.outside().join("secret.txt")).unwrap(), SECRET);
    }
}

fn open_grants(allow: &SandboxArgs) -> Grants {
    allow.open_grants_with(None).unwrap()
}

fn read(grants: &Grants, path: &str) -> Result<String, FileCallError> {
    let read = grants.perform_blocking("fs.readFile", &json!({ "path": path }))?;
    Ok(read.as_str().unwrap().to_owned())
}

fn list(grants: &Grants, path: &str) -> Result<Vec<String>, FileCallError> {
    let names = grants.perform_blocking("fs.listFiles", &json!({ "path": path }))?;
    Ok(serde_json::from_value(names).unwrap())
}

fn write(grants: &Grants, path: &str, text: &str) -> Result<(), FileCallError> {
    let written = grants.perform_blocking("fs.writeFile", &json!({ "path": path, "text": text }))?;
    assert_eq!(written, Json::Null);
    Ok(())
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// Asserts that `result` is a refusal with that name and a message that contains `part`.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, FileCallError>, name: ErrorName, part: &str) {
    let refused = result.expect_err("refused");
    assert_eq!(refused.name, name, "{}", refused.message);
    assert!(refused.message.contains(part), "{part:?} is not in {:?}", refused.message);
}

#[track_caller]
fn assert_not_granted<T: std::fmt::Debug>(result: Result<T, FileCallError>) {
    assert_refused(result, ErrorName::Permission, "is not granted; start with --allow-");
}
