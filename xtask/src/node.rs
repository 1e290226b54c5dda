//! The package for Node with its test exports, and the conformance suite in it. What Node does beside native processes is tried by
//! `tests/node.rs`, which is told where the package is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::process::Call;
use crate::report::Report;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::Workspace;

/// Where the suite finds the package.
pub const PACKAGE: &str = "RUNSTATE_NODE_PACKAGE";

/// Builds the package and runs the conformance suite in it. Where it could be built: its folder.
pub fn all(workspace: &Workspace, report: &mut Report) -> Option<PathBuf> {
    let mut built = None;
    report.step("package for Node", |_| {
        built = Some(build(workspace)?);
        Ok(())
    });
    let package = built?;
    report.step("conformance in Node", |report| {
        let script = Call::new("node").arg("tests/node/conformance.mjs").arg(&package.to_string_lossy());
        script.read_lines(|line| report.count(Tally::from_libtest(line).unwrap_or_default()))
    });
    Some(package)
}

fn build(workspace: &Workspace) -> Result<PathBuf, Error> {
    tools::node()?;
    tools::wasm_target()?;
    let bindgen = tools::wasm_bindgen(workspace)?;
    let target = Path::new(workspace.target_folder());
    Call::cargo("build --package runstate --lib --features wasm,file,testing --target").arg(tools::WASM).run()?;
    let wasm = target.join(tools::WASM).join("debug/runstate.wasm");
    let package = target.join("node-package");
    // What an earlier run left is no part of this one. It need not be there.
    let _ = fs::remove_dir_all(&package);
    let call = Call::new(&bindgen).words("--target web --out-name runstate --out-dir").arg(&package.to_string_lossy());
    call.arg(&wasm.to_string_lossy()).run()?;
    copy(Path::new("pkg"), &package)?;
    Ok(package)
}

/// Copies the files of a folder, and of the folders in it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { path, source }
    };
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let path = entry.map_err(failed(from))?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name)).map_err(failed(&path))?;
        }
    }
    Ok(())
}
