//! The npm package, which `pkg/scripts/build.mjs` builds: the shipped form into `pkg`, and the form for tests into the
//! target folder. Runs its tests: conformance in Node, fresh projects of every kind, pages in a real browser.
//!
//! WebAssembly is built once for all tests of the gate, without optimization: for the package, the page and the extension that they use, and for the
//! IndexedDB store in a page of real Chromium. npm packages are installed in the folders that have a lock file, exactly as it says; it is never
//! changed. The demo page is built with a packed package and served on this machine until it is interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::report::StepContext;
use super::test_results::TestTally;
use crate::args::Length;
use crate::checks::with_lints;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::times::TestTime;
use crate::tools;
use crate::workspace::Workspace;

/// The packages of the workspace that become WebAssembly: the runtime, then the compiler. `pkg/scripts/modules.mjs` has the same names.
pub const WASM_PACKAGES: &[&str] = &["runstate-wasm", "runstate-wasm-compiler"];

/// The test files that run in a page: in a window and in a worker.
const INDEXEDDB_PAGES: [&str; 2] = ["indexeddb_window", "indexeddb_worker"];

/// The folder in which tests find the package: `package.json`, `dist`, and `build` with the glue of its WebAssembly.
pub const PACKAGE_FOLDER_ENV: &str = "RUNSTATE_NODE_PACKAGE";

/// The path at which tests find the packed package.
pub const PACKED_PACKAGE_ENV: &str = "RUNSTATE_PACKED";

/// The form in which the package is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageBuild {
    /// WebAssembly with all features and without optimization.
    ForTests,
    /// The shipped form.
    Shipped,
    /// The shipped form. The contents, entries and types of the packed file are checked too.
    Checked,
    /// The shipped form, and the WebAssembly module that benches call.
    WithBenches,
}

/// The last file that the shipping build writes. The build begins by removing its output.
const LAST_BUILD_OUTPUT: &str = "pkg/dist/types/index.d.ts";

/// The profile of the modules for tests.
const WASM_PROFILE: &str = "wasm";

const TEST_PACKAGE_PARTS: &str = "pkg/build pkg/dist pkg/package.json pkg/src pkg/test";

/// Builds the package into `pkg`.
pub fn build(workspace: &Workspace, form: PackageBuild, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::node(step)?;
    tools::wasm_target(step)?;
    install_npm_packages("pkg", step)?;
    let call = ProgramCall::new("node").arg("pkg/scripts/build.mjs");
    let call = call.env("RUNSTATE_WASM_BINDGEN", tools::wasm_bindgen(workspace, step)?);
    match form {
        PackageBuild::ForTests => {
            let folder = workspace.target().join(tools::WASM_TARGET).join(WASM_PROFILE);
            call.arg("--test").arg(&folder).run(step)
        }
        PackageBuild::Shipped => call.run(step),
        PackageBuild::Checked => call.arg("--check").run(step),
        PackageBuild::WithBenches => call.arg("--benches").run(step),
    }
}

/// Builds the package for tests: [`test_folder`] and [`test_packed`].
pub fn build_for_tests(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    let (folder, packed) = (test_folder(workspace), test_packed(workspace));
    // Tests must not find the package of an earlier build if this build fails.
    remove_folder(&folder)?;
    let _ = fs::remove_file(&packed);
    build(workspace, PackageBuild::ForTests, step)?;
    fs::create_dir_all(&folder).map_err(XtaskError::file(&folder))?;
    ProgramCall::new("cp").words("-r").words(TEST_PACKAGE_PARTS).arg(&folder).run(step)?;
    let tools = std::env::current_dir().unwrap_or_default().join("pkg/node_modules");
    ProgramCall::new("ln").arg("-s").arg(&tools).arg(&folder).run(step)?;
    pack(&packed, step)
}

/// Builds and packs the shipped package: [`packed`]. A package above its size limit is packed too, so that it can be tried.
pub fn build_shipped(workspace: &Workspace, form: PackageBuild, step: &mut StepContext) -> Result<(), XtaskError> {
    let _ = fs::remove_file(packed(workspace));
    let result = build(workspace, form, step);
    if result.is_ok() || Path::new(LAST_BUILD_OUTPUT).is_file() {
        pack(&packed(workspace), step)?;
    }
    result
}

pub fn test_folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test")
}

pub fn test_packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/test.tgz")
}

pub fn packed(workspace: &Workspace) -> PathBuf {
    workspace.target().join("npm/runstate.tgz")
}

/// Packs `pkg`, as npm would publish it. The file name has no version, so that other files can refer to it.
fn pack(to: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    let staging = to.with_extension("packing");
    create_empty_folder(&staging)?;
    let name =
        ProgramCall::new("npm").words("pack ./pkg --ignore-scripts --pack-destination").arg(&staging).output()?;
    let from = staging.join(name.trim());
    fs::rename(&from, to).and_then(|()| fs::remove_dir_all(&staging)).map_err(XtaskError::file(&from))?;
    step.say(to.display());
    Ok(())
}

/// Creates an empty folder, without the contents of an earlier run.
fn create_empty_folder(folder: &Path) -> Result<(), XtaskError> {
    remove_folder(folder)?;
    fs::create_dir_all(folder).map_err(XtaskError::file(folder))
}

fn remove_folder(folder: &Path) -> Result<(), XtaskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(XtaskError::file(folder)(error)),
        _ => Ok(()),
    }
}

/// Runs the conformance suite in Node, over `node:fs`.
pub fn test_conformance(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    require_built(&test_packed(workspace))?;
    let script = ProgramCall::new("node").arg("tests/node/conformance.mjs").arg(test_folder(workspace));
    script.read_lines(step, |step, line| step.tally += TestTally::from_libtest(line).unwrap_or_default())
}

/// Runs the package's own tests.
pub fn test_package(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    require_built(&test_packed(workspace))?;
    run_node_tests(&test_folder(workspace).join("test"), &[], Length::Short, step)
}

/// Tests a packed package in fresh projects. The short form has a project of each area, the full one of every kind.
pub fn test_in_projects(packed: &PathBuf, length: Length, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    install_npm_packages("tests/package", step)?;
    install_npm_packages("tests/browser", step)?;
    if length == Length::Full {
        install_npm_packages("tests/package/next", step)?;
        install_npm_packages("tests/package/adapters", step)?;
    }
    require_built(packed)?;
    run_node_tests(Path::new("tests/package"), &[(PACKED_PACKAGE_ENV, packed)], length, step)
}

/// Tests `runstate mcp` with the official clients: in the full form also with the Python client.
pub fn test_mcp_clients(workspace: &Workspace, length: Length, step: &mut StepContext) -> Result<(), XtaskError> {
    install_npm_packages("tests/mcp", step)?;
    let binary = workspace.target().join("debug/runstate");
    let python = match length {
        Length::Short => PathBuf::new(),
        Length::Full => tools::python_mcp(step)?,
    };
    let environment = [("RUNSTATE_BINARY", &binary), ("RUNSTATE_PYTHONPATH", &python)];
    run_node_tests(Path::new("tests/mcp"), &environment, length, step)
}

/// Tests the packed package and the demo page in a real browser.
pub fn test_in_browser(workspace: &Workspace, length: Length, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    install_npm_packages("tests/browser", step)?;
    let packed = test_packed(workspace);
    require_built(&packed)?;
    run_node_tests(Path::new("tests/browser"), &[(PACKED_PACKAGE_ENV, &packed)], length, step)
}

/// Checks that the step of a packed package has succeeded. The report has its reason if not.
fn require_built(packed: &Path) -> Result<(), XtaskError> {
    if packed.is_file() {
        return Ok(());
    }
    let why = "the step that builds it did not succeed".to_owned();
    Err(XtaskError::Missing { what: packed.display().to_string(), why })
}

pub fn build_demo_page(packed: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::node(step)?;
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
    require_built(packed)?;
    if to.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        fs::remove_file(to).map_err(XtaskError::file(to))?;
    }
    create_empty_folder(to)?;
    let call = ProgramCall::new("tar").words("--extract --strip-components=1 --file").arg(packed);
    call.arg("--directory").arg(to).run(step)
}

/// Runs the test files of a folder, one after the other: browsers and installations use both cores. `environment` has paths for the tests.
pub fn run_node_tests(
    folder: &Path,
    environment: &[(&str, &PathBuf)],
    length: Length,
    step: &mut StepContext,
) -> Result<(), XtaskError> {
    let call = ProgramCall::new("node").words("--test --test-concurrency=1 --test-reporter=spec");
    let call = if length == Length::Full { call.env("RUNSTATE_FULL", "1") } else { call };
    let call = environment.iter().fold(call, |call, (name, path)| call.env(name, path));
    let call = test_files(folder)?.iter().fold(call, |call, file| call.arg(file));
    let group = folder.display().to_string();
    call.read_lines(step, |step, line| read_node_output(step, &group, line))
}

/// Counts the tests in the output of Node's runner.
pub fn read_node_output(step: &mut StepContext, group: &str, line: &str) {
    step.tally += TestTally::from_node(line).unwrap_or_default();
    step.tests.extend(TestTime::from_node(group, line));
}

/// Returns the files `*.test.mjs` of a folder, sorted by name.
fn test_files(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let entries = fs::read_dir(folder).map_err(XtaskError::file(folder))?.filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path().to_string_lossy().into_owned());
    let mut files: Vec<String> = paths.filter(|path| path.ends_with(".test.mjs")).collect();
    files.sort();
    if files.is_empty() { Err(XtaskError::rule(format!("{} has no *.test.mjs", folder.display()))) } else { Ok(files) }
}

/// The folders, in order of dependency.
const NPM_FOLDERS: [&str; 6] =
    ["pkg", "www", "tests/browser", "tests/mcp", "tests/package", "examples/vscode-extension"];

/// Installs the packages of all folders. A folder whose packages cannot be installed does not prevent the others.
pub fn install_all_npm_packages(step: &mut StepContext) -> Result<(), XtaskError> {
    XtaskError::combine(NPM_FOLDERS.map(|folder| install_npm_packages(folder, step)))
}

/// Installs the packages in the lock file of `folder`, unless it lists none or they are installed.
pub fn install_npm_packages(folder: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    let lock = Path::new(folder).join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let installed_lock = Path::new(folder).join("node_modules/.installed");
    let lock_bytes = fs::read(&lock).map_err(XtaskError::file(&lock))?;
    if fs::read(&installed_lock).is_ok_and(|installed| installed == lock_bytes) {
        step.say(format_args!("{folder}: the installed packages match the lock file"));
        return Ok(());
    }
    let call = ProgramCall::new("npm").words("ci --prefer-offline --no-audit --no-fund --prefix").arg(folder);
    call.run(step).map_err(XtaskError::missing(&format!("npm packages of {folder}")))?;
    // Stores a copy of the lock file last, so an interrupted installation has none.
    fs::write(&installed_lock, lock_bytes).map_err(XtaskError::file(&installed_lock))
}

/// Lints and builds the modules with all features, and the tests that run in a page.
pub fn build_wasm(step: &mut StepContext) -> Result<(), XtaskError> {
    tools::wasm_target(step)?;
    for package in WASM_PACKAGES {
        let call =
            ProgramCall::cargo("rustc --lib --crate-type cdylib --all-features --target").arg(tools::WASM_TARGET);
        let call = call.arg("--profile").arg(WASM_PROFILE).arg("--package").arg(package);
        with_lints(call, step)?.run(step)?;
    }
    page_tests("test --no-run", step)?.run(step)
}

/// Runs the conformance suite of IndexedDB in pages of Chromium.
pub fn test_indexeddb_pages(workspace: &Workspace, step: &mut StepContext) -> Result<(), XtaskError> {
    tools::chromium(step)?;
    tools::wasm_target(step)?;
    let runner = tools::wasm_bindgen(workspace, step)?.with_file_name("wasm-bindgen-test-runner");
    let call = page_tests("test --no-fail-fast", step)?.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    let call = call.env("CHROMEDRIVER", tools::find_in_path(Path::new(tools::CHROMEDRIVER))?);
    let mut pages = 0;
    call.read_lines(step, |step, line| {
        let tally = TestTally::from_libtest(line).unwrap_or_default();
        pages += usize::from(tally.passed > 0);
        step.tally += tally;
    })?;
    if pages < INDEXEDDB_PAGES.len() {
        return Err(XtaskError::rule("a page ran no test; the log has the output of the browser"));
    }
    Ok(())
}

/// Uses the features and the profile of the modules, so that nothing is built twice.
fn page_tests(words: &str, step: &mut StepContext) -> Result<ProgramCall, XtaskError> {
    let call = ProgramCall::cargo(words).words("--package runstate --features compiler,indexeddb,testing --target");
    let call = call.arg(tools::WASM_TARGET).arg("--profile").arg(WASM_PROFILE);
    with_lints(INDEXEDDB_PAGES.iter().fold(call, |call, name| call.arg("--test").arg(name)), step)
}

/// Builds and serves the page. The server prints its address, and uses the next free port if its usual one is taken.
pub fn serve_demo_page(workspace: &Workspace, report: &mut RunReport) {
    report.step("demo page, served until ctrl-c", |step| {
        build_shipped(workspace, PackageBuild::Shipped, step)?;
        build_demo_page(&packed(workspace), step)?;
        ProgramCall::new("npm").words("run preview --prefix www").status(step).map(drop)
    });
    report.interrupted.store(false, Ordering::Relaxed);
}
