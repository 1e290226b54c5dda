//! The npm packages of the folders that have a lock file. They are installed where what is there is not what the lock says, and never
//! changed: what the lock does not name is not installed.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;

/// The folders, in the order in which they need one another.
const FOLDERS: [&str; 4] = ["pkg", "www", "tests/browser", "tests/package"];

/// Installs the packages of all folders.
pub fn all(step: &mut Step) -> Result<(), Error> {
    FOLDERS.into_iter().try_for_each(|folder| install(folder, step))
}

/// Installs the packages that the lock of `folder` names; nothing where it names none, or they are there.
pub fn install(folder: &str, step: &mut Step) -> Result<(), Error> {
    let lock = Path::new(folder).join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let kept = Path::new(folder).join("node_modules/.installed");
    let read = |path: &Path| fs::read(path).map_err(|source| Error::File { path: path.display().to_string(), source });
    let wanted = read(&lock)?;
    if fs::read(&kept).is_ok_and(|installed| installed == wanted) {
        step.say(format_args!("{folder}: as its lock says"));
        return Ok(());
    }
    let missing = |error: Error| Error::Missing { what: format!("npm packages of {folder}"), why: error.to_string() };
    let call = Call::new("npm").words("ci --prefer-offline --no-audit --no-fund --prefix").arg(folder);
    call.run(step).map_err(missing)?;
    // The lock that was installed, beside what it led to: an installation that broke off leaves none.
    fs::write(&kept, wanted).map_err(|source| Error::File { path: kept.display().to_string(), source })
}
