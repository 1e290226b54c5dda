//! The demo page, built with the packed package and served on this machine until it is interrupted.

use crate::package::{self, PackageBuild};
use crate::process::ProgramCall;
use crate::report::RunReport;
use crate::workspace::Workspace;

/// Builds and serves the page. The server prints its address.
pub fn serve_demo_page(workspace: &Workspace, report: &mut RunReport) {
    let mut built = false;
    report.step("package", |step| package::build_shipped(workspace, PackageBuild::Shipped, step));
    report.step("demo page", |step| {
        package::build_demo_page(&package::packed(workspace), step)?;
        built = true;
        Ok(())
    });
    if built {
        // If its usual port is taken, the server uses the next free one.
        report.step("serving until ctrl-c", |step| ProgramCall::new("npm").words("run preview --prefix www").run(step));
    }
}
