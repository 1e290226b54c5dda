//! The demo page, built on the packed package and served on this machine until it is interrupted.

use crate::package::{self, Build};
use crate::process::Call;
use crate::report::Report;
use crate::workspace::Workspace;

/// Builds everything and serves it; the server says its address.
pub fn run(workspace: &Workspace, report: &mut Report) {
    let mut built = false;
    report.step("package", |step| package::build_shipped(workspace, Build::Shipped, step));
    report.step("demo page", |step| {
        package::page(&package::packed(workspace), step)?;
        built = true;
        Ok(())
    });
    if built {
        // Where its usual port is taken the server takes the next one that is free.
        report.step("serving until ctrl-c", |step| Call::new("npm").words("run preview --prefix www").run(step));
    }
}
