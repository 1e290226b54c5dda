//! The npm package, which `pkg/scripts/build.mjs` builds: the shipped form into `pkg`, and the form for tests into the
//! target folder. Runs its tests: conformance in Node, fresh projects of every kind, pages in a real browser.
//!
//! The library is built as WebAssembly once for all tests: for the package that they use, and for the IndexedDB store
//! in a page of real Chromium. npm packages are installed in the folders that have a lock file, exactly as it says; it
//! is never changed. The demo page is built with the packed package and served on this machine until it is
//! interrupted.

use std::fs;
use std::path::{Path, PathBuf};

use super::checks::{run_without_warnings, with_clippy_driver};
use super::report::StepContext;
use super::test_results::TestTally;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::times::TestTime;
use crate::tools;
use crate::workspace::Workspace;

/// The folder in which tests find the package: `package.json`, `dist`, and `build` with the glue of its WebAssembly.
pub const PACKAGE_FOLDER_ENV: &str = "RUNSTATE_NODE_PACKAGE";

/// The path at which tests find the packed package.
const PACKED_PACKAGE_ENV: &str = "RUNSTATE_PACKED";

/// The form in which the package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageBuild {
    /// One WebAssembly module with all features for all entries, which tests share.
    ForTests,
    /// The shipped form.
    Shipped,
    /// The shipped form. The contents, entries and types of the packed file are checked too.
    Checked,
    /// As `Checked`, but Node's module is optimized for size, as those of pages: a short run compiles it in a third of the time.
    CheckedSmall,
    /// The shipped form, and the WebAssembly module that benches call.
    WithBenches,
}

/// The last file that the shipping build writes. The build begins by removing its output.
const LAST_BUILD_OUTPUT: &str = "pkg/dist/types/index.d.ts";

/// The parts of `pkg` that the tests use.
const TEST_PACKAGE_PARTS: [&str; 5] = ["build", "dist", "package.json", "src", "test"];

/// Builds the package into `pkg`.
pub fn build(workspace: &Workspace, form: PackageBuild, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::node(step)?;
    install_npm_packages("pkg", step)?;
    let call = ProgramCall::new("node").arg("pkg/scripts/build.mjs");
    let call = call.env("RUNSTATE_WASM_BINDGEN", tools::wasm_bindgen(workspace, step)?);
    let module = wasm_module(workspace).to_string_lossy().into_owned();
    match form {
        PackageBuild::ForTests => call.arg("--test").arg(&module).run(step),
        PackageBuild::Shipped => call.run(step),
        PackageBuild::Checked => call.arg("--check").run(step),
        PackageBuild::CheckedSmall => call.arg("--check-small").run(step),
        PackageBuild::WithBenches => call.arg("--benches").run(step),
    }
}

/// Builds the package for tests: [`test_folder`] and [`test_packed`].
pub fn build_for_tests(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let folder = test_folder(workspace);
    // Tests must not find the package of an earlier build if this build fails.
    remove_folder(&folder)?;
    build(workspace, PackageBuild::ForTests, step)?;
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    for name in TEST_PACKAGE_PARTS {
        let call = ProgramCall::new("cp").arg("-r").arg(&format!("pkg/{name}"));
        call.arg(&folder.to_string_lossy()).run(step)?;
    }
    let tools = std::env::current_dir().unwrap_or_default().join("pkg/node_modules");
    ProgramCall::new("ln").arg("-s").arg(&tools.to_string_lossy()).arg(&folder.to_string_lossy()).run(step)?;
    pack(&test_packed(workspace), step)
}

/// Builds and packs the shipped package: [`packed`]. A package above its size limit is packed too, so that it can be tried.
pub fn build_shipped(workspace: &Workspace, form: PackageBuild, step: &mut StepContext) -> Result<(), XtaskError> {
    let result = build(workspace, form, step);
    if result.is_ok() || Path::new(LAST_BUILD_OUTPUT).is_file() {
        pack(&packed(workspace), step)?;
    }
    result
}

/// Returns the folder of the package for tests.
pub fn test_folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test")
}

/// Returns the path of the packed package for tests.
pub fn test_packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test.tgz")
}

/// Returns the path of the packed shipped package.
pub fn packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/runstate.tgz")
}

/// Packs `pkg`, as npm would publish it. The file name has no version, so that other files can refer to it.
fn pack(to: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    let staging = to.with_extension("packing");
    create_empty_folder(&staging)?;
    let call =
        ProgramCall::new("npm").words("pack ./pkg --ignore-scripts --pack-destination").arg(&staging.to_string_lossy());
    let name = call.output()?;
    let from = staging.join(name.trim());
    std::fs::rename(&from, to).and_then(|()| std::fs::remove_dir_all(&staging)).map_err(failed(&from))?;
    step.say(to.display());
    Ok(())
}

/// Creates an empty folder, without the contents of an earlier run.
fn create_empty_folder(folder: &Path) -> Result<(), XtaskError> {
    remove_folder(folder)?;
    std::fs::create_dir_all(folder).map_err(failed(folder))
}

fn remove_folder(folder: &Path) -> Result<(), XtaskError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(folder)(error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> XtaskError + use<> {
    let path = path.display().to_string();
    move |source| XtaskError::File { path, source }
}

/// Runs the conformance suite in Node, over `node:fs`.
pub fn test_conformance(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let folder = test_folder(workspace);
    let script = ProgramCall::new("node").arg("tests/node/conformance.mjs").arg(&folder.to_string_lossy());
    script.read_lines(step, |step, line| step.count(TestTally::from_libtest(line).unwrap_or_default()))
}

/// Runs the package's own tests.
pub fn test_package(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    run_node_tests(&test_folder(workspace).join("test"), &[], step)
}

/// Tests the packed package in fresh projects of every kind.
pub fn test_in_projects(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    install_npm_packages("tests/package", step)?;
    install_npm_packages("tests/browser", step)?;
    run_node_tests(Path::new("tests/package"), &[(PACKED_PACKAGE_ENV, &packed(workspace))], step)
}

/// Tests the packed package and the demo page in a real browser.
pub fn test_in_browser(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    install_npm_packages("tests/browser", step)?;
    run_node_tests(Path::new("tests/browser"), &[(PACKED_PACKAGE_ENV, &test_packed(workspace))], step)
}

/// Builds the demo page with a packed package.
pub fn build_demo_page(packed: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    install_npm_packages("www", step)?;
    unpack(packed, Path::new("www/node_modules/runstate"), step)?;
    ProgramCall::new("npm").words("run build --prefix www").run(step)
}

/// Runs the demo page's own tests.
pub fn test_demo_page(step: &mut StepContext) -> Result<(), XtaskError> {
    let call = ProgramCall::new("npm").words("test --prefix www");
    call.read_lines(step, |step, line| read_node_output(step, "www", line))
}

/// Unpacks the package to the folder that `npm install` would use, without a registry.
pub fn unpack(packed: &Path, to: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    if to.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        std::fs::remove_file(to).map_err(failed(to))?;
    }
    create_empty_folder(to)?;
    let call = ProgramCall::new("tar").words("--extract --strip-components=1 --file").arg(&packed.to_string_lossy());
    call.arg("--directory").arg(&to.to_string_lossy()).run(step)
}

/// Runs the test files of a folder, one after the other: browsers and installations use both cores. `environment` has paths for the tests.
pub fn run_node_tests(
    folder: &Path,
    environment: &[(&str, &PathBuf)],
    step: &mut StepContext,
) -> Result<(), XtaskError> {
    let call = ProgramCall::new("node").words("--test --test-concurrency=1 --test-reporter=spec");
    let call = environment.iter().fold(call, |call, (name, path)| call.env(name, path));
    let call = test_files(folder)?.iter().fold(call, |call, file| call.arg(file));
    let group = folder.display().to_string();
    call.read_lines(step, |step, line| read_node_output(step, &group, line))
}

/// Counts the tests in the output of Node's runner.
pub fn read_node_output(step: &mut StepContext, group: &str, line: &str) {
    step.count(TestTally::from_node(line).unwrap_or_default());
    step.tests.extend(TestTime::from_node(group, line));
}

/// Returns the files `*.test.mjs` of a folder, sorted by name.
fn test_files(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.path().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(XtaskError::RuleViolated(vec![format!(
            "{} has no file *.test.mjs; every test folder needs one",
            folder.display()
        )]));
    }
    Ok(files)
}

/// The folders, in order of dependency.
const NPM_FOLDERS: [&str; 5] = ["pkg", "www", "tests/browser", "tests/package", "examples/vscode-extension"];

/// Installs the packages of all folders.
pub fn install_all_npm_packages(step: &mut StepContext) -> Result<(), XtaskError> {
    NPM_FOLDERS.into_iter().try_for_each(|folder| install_npm_packages(folder, step))
}

/// Installs the packages in the lock file of `folder`, unless it lists none or they are installed.
pub fn install_npm_packages(folder: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    let lock = Path::new(folder).join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let installed_lock = Path::new(folder).join("node_modules/.installed");
    let read =
        |path: &Path| fs::read(path).map_err(|source| XtaskError::File { path: path.display().to_string(), source });
    let lock_bytes = read(&lock)?;
    if fs::read(&installed_lock).is_ok_and(|installed| installed == lock_bytes) {
        step.say(format_args!("{folder}: the installed packages match the lock file"));
        return Ok(());
    }
    let missing =
        |error: XtaskError| XtaskError::Missing { what: format!("npm packages of {folder}"), why: error.to_string() };
    let call = ProgramCall::new("npm").words("ci --prefer-offline --no-audit --no-fund --prefix").arg(folder);
    call.run(step).map_err(missing)?;
    // Stores a copy of the lock file last, so an interrupted installation has none.
    fs::write(&installed_lock, lock_bytes)
        .map_err(|source| XtaskError::File { path: installed_lock.display().to_string(), source })
}

/// The test files that run in a page: in a window and in a worker.
pub const INDEXEDDB_PAGES: [&str; 2] = ["indexeddb_window", "indexeddb_worker"];

/// Lints and builds the library with all features, and the tests that run in a page.
pub fn build_wasm(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::wasm_target(step)?;
    let call = with_wasm_args(ProgramCall::cargo("build --lib"));
    let call = INDEXEDDB_PAGES.iter().fold(call, |call, name| call.words("--test").arg(name));
    run_without_warnings(with_clippy_driver(call)?, step)
}

/// Returns the path of the built module.
pub fn wasm_module(workspace: &Workspace) -> PathBuf {
    workspace.target().join(tools::WASM_TARGET).join("debug/runstate.wasm")
}

/// Runs one of [`INDEXEDDB_PAGES`].
pub fn test_indexeddb_page(workspace: &Workspace, name: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    let runner = tools::wasm_bindgen(workspace, step)?.with_file_name("wasm-bindgen-test-runner");
    let call = with_clippy_driver(with_wasm_args(ProgramCall::cargo("test --test").arg(name)))?;
    let call = call.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner);
    let call = call.env("CHROMEDRIVER", tools::find_in_path(Path::new(tools::CHROMEDRIVER))?);
    let mut tally = TestTally::default();
    let result = call.read_lines(step, |_, line| tally += TestTally::from_libtest(line).unwrap_or_default());
    step.count(tally);
    result?;
    if tally.passed == 0 {
        return Err(XtaskError::RuleViolated(vec![format!(
            "no test of {name} ran; its log has the output of the browser"
        )]));
    }
    Ok(())
}

/// Uses the same package, features and profile each time, so that nothing is built twice. The development profile shares compiled macros with native
/// builds.
fn with_wasm_args(call: ProgramCall) -> ProgramCall {
    call.words("--package runstate --all-features --target").arg(tools::WASM_TARGET)
}

/// Builds and serves the page. The server prints its address.
pub fn serve_demo_page(workspace: &Workspace, report: &mut RunReport) {
    let mut built = false;
    report.step("package", |step| build_shipped(workspace, PackageBuild::Shipped, step));
    report.step("demo page", |step| {
        build_demo_page(&packed(workspace), step)?;
        built = true;
        Ok(())
    });
    if built {
        // If its usual port is taken, the server uses the next free one.
        report.step("serving until ctrl-c", |step| ProgramCall::new("npm").words("run preview --prefix www").run(step));
    }
}
