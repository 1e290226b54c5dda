//! The demo page, built on the packed package and served on this machine until it is interrupted.

use crate::package::{self, Care};
use crate::process::Call;
use crate::report::Report;
use crate::workspace::Workspace;

/// Builds everything and serves it; the server says its address.
pub fn run(workspace: &Workspace, report: &mut Report) {
    let Some(packed) = package::packed(workspace, Care::Shipped, report) else { return };
    let mut built = false;
    report.step("demo page", |_| {
        package::page(&packed)?;
        built = true;
        Ok(())
    });
    if built {
        // Where its usual port is taken the server takes the next one that is free.
        report.step("serving until ctrl-c", |_| Call::new("npm").words("run preview --prefix www").run());
    }
}
