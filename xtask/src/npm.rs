//! The npm packages of the folders that have a lock file. They are installed exactly as the lock file says, if the installed packages differ from it.
//! The lock file is never changed.

use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::step::StepContext;

/// The folders, in order of dependency.
const NPM_FOLDERS: [&str; 4] = ["pkg", "www", "tests/browser", "tests/package"];

/// Installs the packages of all folders.
pub fn install_all_npm_packages(step: &mut StepContext) -> Result<(), XtaskError> {
    NPM_FOLDERS.into_iter().try_for_each(|folder| install_npm_packages(folder, step))
}

/// Installs the packages in the lock file of `folder`, unless it lists none or they are installed.
pub fn install_npm_packages(folder: &str, step: &mut StepContext) -> Result<(), XtaskError> {
    let lock = Path::new(folder).join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let kept = Path::new(folder).join("node_modules/.installed");
    let read =
        |path: &Path| fs::read(path).map_err(|source| XtaskError::File { path: path.display().to_string(), source });
    let wanted = read(&lock)?;
    if fs::read(&kept).is_ok_and(|installed| installed == wanted) {
        step.say(format_args!("{folder}: the installed packages match the lock file"));
        return Ok(());
    }
    let missing =
        |error: XtaskError| XtaskError::Missing { what: format!("npm packages of {folder}"), why: error.to_string() };
    let call = ProgramCall::new("npm").words("ci --prefer-offline --no-audit --no-fund --prefix").arg(folder);
    call.run(step).map_err(missing)?;
    // Stores a copy of the lock file last, so an interrupted installation has none.
    fs::write(&kept, wanted).map_err(|source| XtaskError::File { path: kept.display().to_string(), source })
}
