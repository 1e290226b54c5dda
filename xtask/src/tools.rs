//! What the commands need beside cargo, and how it is got: from rustup, from Debian, or into the folder of tools. That
//! folder lies outside of the checkout, so that fresh clones find what an earlier one has got.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::Error;
use crate::process::Call;
use crate::report::Report;
use crate::workspace::{Workspace, items};
use crate::{mongodb, npm};

pub const WASM: &str = "wasm32-unknown-unknown";

/// The browser.
pub const CHROMIUM: &str = "chromium";

/// What steers the browser for `wasm-bindgen-test-runner`.
pub const CHROMEDRIVER: &str = "chromedriver";

/// Gets everything, one step for each tool.
pub fn all(workspace: &Workspace, report: &mut Report) {
    report.step("tools", |_| {
        for call in [Call::new("rustc").arg("--version"), Call::cargo("--version")] {
            println!("{}", call.output()?.trim());
        }
        let runner = if nextest() { "cargo nextest" } else { "cargo test (cargo-nextest is not installed)" };
        println!("tests run with {runner}");
        let folder = folder()?;
        println!("tools are kept in {}", folder.display());
        Ok(())
    });
    report.step("tools: rustfmt, clippy", |_| components());
    report.step("tools: wasm target", |_| wasm_target());
    report.step("tools: node", |_| node());
    report.step("tools: wasm-bindgen", |_| wasm_bindgen(workspace).map(drop));
    report.step("tools: chromium", |_| chromium());
    report.step("tools: mongod", |_| mongodb::mongod().map(drop));
    report.step("tools: npm packages", |_| npm::all());
}

/// `$XDG_CACHE_HOME/runstate-tools`; tests are told as `RUNSTATE_TOOLS`.
pub fn folder() -> Result<PathBuf, Error> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let missing =
        || Error::Missing { what: "a folder for tools".into(), why: "XDG_CACHE_HOME and HOME are not set".into() };
    Ok(cache.ok_or_else(missing)?.join("runstate-tools"))
}

/// Whether `cargo nextest` is installed. It takes minutes to build, so it is used only where it is.
pub fn nextest() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| Call::cargo("nextest --version").succeeds())
}

/// Whether `cargo deny` is installed.
pub fn deny() -> bool {
    Call::cargo("deny --version").succeeds()
}

fn components() -> Result<(), Error> {
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !Call::cargo(program).arg("--version").succeeds() {
            rustup(&format!("component add {component}"), component)?;
        }
    }
    Ok(())
}

/// The standard library for the browser.
pub fn wasm_target() -> Result<(), Error> {
    let folder = Call::new("rustc").words("--print target-libdir --target").arg(WASM).output()?;
    if PathBuf::from(folder.trim()).is_dir() {
        return Ok(());
    }
    rustup(&format!("target add {WASM}"), WASM)
}

/// What makes JavaScript's side of the WebAssembly, and beside it `wasm-bindgen-test-runner`, which runs tests in a page. It must be of
/// the very version of the library, and has its own folder by that.
pub fn wasm_bindgen(workspace: &Workspace) -> Result<PathBuf, Error> {
    let mut packages = items(&workspace.metadata["packages"]).filter(|package| package["name"] == "wasm-bindgen");
    let version = packages.find_map(|package| package["version"].as_str()).unwrap_or_default();
    let root = folder()?.join(format!("wasm-bindgen-{version}"));
    let program = root.join("bin/wasm-bindgen");
    if !Call::new(&program).arg("--version").succeeds() {
        // Not in release: that takes four times as long to build, and the output is the same.
        let call = Call::cargo("install wasm-bindgen-cli --no-default-features --debug --version").arg(version);
        let missing = |error: Error| Error::Missing { what: "wasm-bindgen".to_owned(), why: error.to_string() };
        call.arg("--root").arg(&root.to_string_lossy()).run().map_err(missing)?;
    }
    println!("{}", Call::new(&program).arg("--version").output()?.trim());
    Ok(program)
}

/// Node, against which the language is compared, and in which the file store runs too.
pub fn node() -> Result<(), Error> {
    if !Call::new("node").arg("--version").succeeds() {
        debian("nodejs")?;
    }
    println!("node {}", Call::new("node").arg("--version").output()?.trim());
    Ok(())
}

/// A real browser, and what lets tests steer it.
pub fn chromium() -> Result<(), Error> {
    for (program, package) in [(CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")] {
        if !Call::new(program).arg("--version").succeeds() {
            debian(package)?;
        }
        println!("{}", Call::new(program).arg("--version").output()?.trim());
    }
    Ok(())
}

/// The whole path of a program; who starts it from elsewhere needs that.
pub fn found(program: &Path) -> Result<PathBuf, Error> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let missing = || Error::Missing { what: program.display().to_string(), why: "it is in no folder of PATH".into() };
    places.find(|place| place.is_file()).ok_or_else(missing)
}

fn rustup(words: &str, what: &str) -> Result<(), Error> {
    let missing = |error: Error| Error::Missing { what: what.to_owned(), why: error.to_string() };
    Call::new("rustup").words(words).run().map_err(missing)
}

/// Installs a package of Debian; the package lists are refreshed once in a run.
pub fn debian(package: &str) -> Result<(), Error> {
    static UPDATED: OnceLock<()> = OnceLock::new();
    let missing = |error: Error| Error::Missing { what: package.to_owned(), why: error.to_string() };
    if UPDATED.get().is_none() {
        apt_get("update -q").run().map_err(missing)?;
        UPDATED.get_or_init(|| ());
    }
    apt_get("install -q -y --no-install-recommends").arg(package).run().map_err(missing)
}

fn apt_get(words: &str) -> Call {
    let root = Call::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0");
    let call = if root { Call::new("apt-get") } else { Call::new("sudo").words("-n apt-get") };
    call.words(words).env("DEBIAN_FRONTEND", "noninteractive")
}
