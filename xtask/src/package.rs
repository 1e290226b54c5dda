//! The npm package, which `pkg/scripts/build.mjs` builds: as it is shipped, into `pkg`, and as the tests use it, into the target folder.
//! And what is tried with it: conformance in Node, fresh projects of every kind, pages in a real browser.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::tally::Tally;
use crate::times::TestTime;
use crate::tools;
use crate::workspace::Workspace;
use crate::{npm, wasm};

/// Where tests find the package: `package.json`, `dist`, and `build` with the glue of its WebAssembly.
pub const FOLDER: &str = "RUNSTATE_NODE_PACKAGE";

/// Where tests find it packed.
const PACKED: &str = "RUNSTATE_PACKED";

/// How the package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// One WebAssembly with all features for all entries, which tests share.
    ForTests,
    /// As it is shipped.
    Shipped,
    /// As it is shipped; and content, entries and types of the packed file are looked over.
    Checked,
    /// As it is shipped; and beside it the WebAssembly that benches call.
    WithBenches,
}

/// What the shipping build writes last; it begins by removing all of it.
const LAST: &str = "pkg/dist/types/index.d.ts";

/// What the tests use of `pkg`.
const USED: [&str; 5] = ["build", "dist", "package.json", "src", "test"];

/// Builds the package into `pkg`.
pub fn build(workspace: &Workspace, build: Build, step: &mut Step) -> Result<(), Error> {
    tools::node(step)?;
    npm::install("pkg", step)?;
    let call = Call::new("node").arg("pkg/scripts/build.mjs");
    let call = call.env("RUNSTATE_WASM_BINDGEN", tools::wasm_bindgen(workspace, step)?);
    let module = wasm::module(workspace).to_string_lossy().into_owned();
    match build {
        Build::ForTests => call.arg("--test").arg(&module).run(step),
        Build::Shipped => call.run(step),
        Build::Checked => call.arg("--check").run(step),
        Build::WithBenches => call.arg("--benches").run(step),
    }
}

/// Builds the package that tests use: [`test_folder`] and [`test_packed`].
pub fn build_for_tests(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    let folder = test_folder(workspace);
    // If the build fails, no test may find the package of an earlier one.
    remove(&folder)?;
    build(workspace, Build::ForTests, step)?;
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    for name in USED {
        let call = Call::new("cp").arg("-r").arg(&format!("pkg/{name}"));
        call.arg(&folder.to_string_lossy()).run(step)?;
    }
    let tools = std::env::current_dir().unwrap_or_default().join("pkg/node_modules");
    Call::new("ln").arg("-s").arg(&tools.to_string_lossy()).arg(&folder.to_string_lossy()).run(step)?;
    pack(&test_packed(workspace), step)
}

/// Builds and packs the package that is shipped: [`packed`]. One that is larger than it may be is packed all the same, so that it can be tried.
pub fn build_shipped(workspace: &Workspace, build_as: Build, step: &mut Step) -> Result<(), Error> {
    let built = build(workspace, build_as, step);
    if built.is_ok() || Path::new(LAST).is_file() {
        pack(&packed(workspace), step)?;
    }
    built
}

/// The folder of the package that tests use.
pub fn test_folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test")
}

/// The package that tests use, packed.
pub fn test_packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test.tgz")
}

/// The package that is shipped, packed.
pub fn packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/runstate.tgz")
}

/// Packs `pkg`, as npm would publish it; the file's name says no version, so that others can name it.
fn pack(to: &Path, step: &mut Step) -> Result<(), Error> {
    let aside = to.with_extension("packing");
    empty(&aside)?;
    let call = Call::new("npm").words("pack ./pkg --ignore-scripts --pack-destination").arg(&aside.to_string_lossy());
    let name = call.output()?;
    let from = aside.join(name.trim());
    std::fs::rename(&from, to).and_then(|()| std::fs::remove_dir_all(&aside)).map_err(failed(&from))?;
    step.say(to.display());
    Ok(())
}

/// A folder with nothing in it: what an earlier run left is no part of this one.
fn empty(folder: &Path) -> Result<(), Error> {
    remove(folder)?;
    std::fs::create_dir_all(folder).map_err(failed(folder))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(folder)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::File { path, source }
}

/// The conformance suite in Node, over `node:fs`.
pub fn conformance(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    let folder = test_folder(workspace);
    let script = Call::new("node").arg("tests/node/conformance.mjs").arg(&folder.to_string_lossy());
    script.read_lines(step, |step, line| step.count(Tally::from_libtest(line).unwrap_or_default()))
}

/// The package's own tests.
pub fn own_tests(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    node_tests(&test_folder(workspace).join("test"), None, step)
}

/// The packed package in fresh projects of every kind.
pub fn in_projects(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    tools::chromium(step)?;
    npm::install("tests/package", step)?;
    npm::install("tests/browser", step)?;
    node_tests(Path::new("tests/package"), Some(&packed(workspace)), step)
}

/// The packed package and the demo page in a real browser.
pub fn in_pages(workspace: &Workspace, step: &mut Step) -> Result<(), Error> {
    tools::chromium(step)?;
    npm::install("tests/browser", step)?;
    node_tests(Path::new("tests/browser"), Some(&test_packed(workspace)), step)
}

/// Builds the demo page on a packed package.
pub fn page(packed: &Path, step: &mut Step) -> Result<(), Error> {
    npm::install("www", step)?;
    unpack(packed, Path::new("www/node_modules/runstate"), step)?;
    Call::new("npm").words("run build --prefix www").run(step)
}

/// The demo page's own tests.
pub fn page_tests(step: &mut Step) -> Result<(), Error> {
    let call = Call::new("npm").words("test --prefix www");
    call.read_lines(step, |step, line| read_node(step, "www", line))
}

/// Puts the packed package where `npm install` would, and asks no registry for it.
fn unpack(packed: &Path, to: &Path, step: &mut Step) -> Result<(), Error> {
    if to.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
        std::fs::remove_file(to).map_err(failed(to))?;
    }
    empty(to)?;
    let call = Call::new("tar").words("--extract --strip-components=1 --file").arg(&packed.to_string_lossy());
    call.arg("--directory").arg(&to.to_string_lossy()).run(step)
}

/// Runs the test files of a folder. Files run one after the other: browsers and installations take what two cores have.
fn node_tests(folder: &Path, packed: Option<&Path>, step: &mut Step) -> Result<(), Error> {
    let call = Call::new("node").words("--test --test-concurrency=1 --test-reporter=spec");
    let call = packed.into_iter().fold(call, |call, packed| call.env(PACKED, packed));
    let call = test_files(folder)?.iter().fold(call, |call, file| call.arg(file));
    let group = folder.display().to_string();
    call.read_lines(step, |step, line| read_node(step, &group, line))
}

fn read_node(step: &mut Step, group: &str, line: &str) {
    step.count(Tally::from_node(line).unwrap_or_default());
    step.tests.extend(TestTime::from_node(group, line));
}

/// `*.test.mjs` of a folder, in the order of their names.
fn test_files(folder: &Path) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.path().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Broken(vec![format!("{} has no tests", folder.display())]));
    }
    Ok(files)
}
