//! The npm package, which `pkg/scripts/build.mjs` builds, and what is tried with it packed: fresh projects of every kind, and pages in a
//! real browser.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::npm;
use crate::process::Call;
use crate::report::Report;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

/// How much is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// As it compiles soonest, and with the checks of a debug build.
    Quick,
    /// As it is shipped.
    Shipped,
    /// As it is shipped; and content, entries and types of the packed file are looked over.
    Checked,
}

impl Care {
    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Quick => Some("--dev"),
            Self::Shipped => None,
            Self::Checked => Some("--check"),
        }
    }
}

/// What the build writes last; it begins by removing all of it.
const LAST: &str = "pkg/dist/types/index.d.ts";

/// What can be tried with the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// In fresh projects of every kind.
    Projects,
    /// In pages of a real browser.
    Pages,
}

impl Tried {
    pub const ALL: [Self; 2] = [Self::Projects, Self::Pages];

    /// By the word that asks for it alone: `cargo xtask test browser`.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tried| tried.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Projects => "package",
            Self::Pages => "browser",
        }
    }
}

/// Builds the package into `pkg/dist`.
pub fn build(workspace: &Workspace, care: Care) -> Result<(), Error> {
    tools::node()?;
    tools::wasm_target()?;
    npm::install("pkg")?;
    let call = Call::new("node").arg("pkg/scripts/build.mjs");
    let call = care.flag().into_iter().fold(call, Call::arg);
    call.env("RUNSTATE_WASM_BINDGEN", tools::wasm_bindgen(workspace)?).run()
}

/// Builds and packs it; the packed file, where there is one: a package that is larger than it may be can be tried all the same.
pub fn packed(workspace: &Workspace, care: Care, report: &mut Report) -> Option<PathBuf> {
    let mut packed = None;
    report.step("package", |_| {
        let built = build(workspace, care);
        if built.is_ok() || Path::new(LAST).is_file() {
            packed = Some(pack(workspace)?);
        }
        built
    });
    packed
}

/// Tries what is asked with the packed file.
pub fn all(packed: &Path, asked: &[Tried], report: &mut Report) {
    if asked.contains(&Tried::Projects) {
        report.step("package tests", |report| {
            tools::chromium()?;
            npm::install("tests/package")?;
            npm::install("tests/browser")?;
            tests("tests/package", packed, report)
        });
    }
    if asked.contains(&Tried::Pages) {
        report.step("demo page", |_| page(packed));
        report.step("browser tests", |report| {
            tools::chromium()?;
            npm::install("tests/browser")?;
            tests("tests/browser", packed, report)
        });
    }
}

/// Packs what was built, as npm would publish it, into the target folder; the file's name says no version, so that others can name it.
pub fn pack(workspace: &Workspace) -> Result<PathBuf, Error> {
    let folder = Path::new(workspace.target_folder()).join("npm");
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { path, source }
    };
    // What an earlier run left is no part of this one. It need not be there.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let call = Call::new("npm").words("pack ./pkg --ignore-scripts --pack-destination").arg(&folder.to_string_lossy());
    let name = call.output()?;
    let (from, to) = (folder.join(name.trim()), folder.join("runstate.tgz"));
    std::fs::rename(&from, &to).map_err(failed(&from))?;
    Ok(to)
}

/// Builds the demo page on the packed package.
pub fn page(packed: &Path) -> Result<(), Error> {
    npm::install("www")?;
    unpack(packed, Path::new("www/node_modules/runstate"))?;
    Call::new("npm").words("run build --prefix www").run()
}

/// Puts the packed package where `npm install` would, and asks no registry for it.
fn unpack(packed: &Path, to: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { path: to.display().to_string(), source };
    let linked = to.symlink_metadata().is_ok_and(|found| found.is_symlink());
    match if linked { std::fs::remove_file(to) } else { std::fs::remove_dir_all(to) } {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    std::fs::create_dir_all(to).map_err(failed)?;
    let call = Call::new("tar").words("--extract --strip-components=1 --file").arg(&packed.to_string_lossy());
    call.arg("--directory").arg(&to.to_string_lossy()).run()
}

/// Runs the tests of a folder with Node; each file is a process of its own, and one runs at a time: browsers want the cores for
/// themselves.
fn tests(folder: &str, packed: &Path, report: &mut Report) -> Result<(), Error> {
    let call = Call::new("node").words("--test --test-reporter spec --test-concurrency 1");
    let call = files(folder)?.iter().fold(call, |call, file| call.arg(&file.to_string_lossy()));
    call.env("RUNSTATE_PACKED", packed).read_lines(|line| report.count(Tally::from_node(line).unwrap_or_default()))
}

/// The files of tests in a folder, in order.
fn files(folder: &str) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Broken(vec![format!("{folder} has no tests")]));
    }
    Ok(files)
}
