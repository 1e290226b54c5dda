//! The benches of the workspace, each by itself, with what it prints.

use crate::process::Call;
use crate::report::Report;
use crate::workspace::{Target, Workspace};

pub fn run(workspace: &Workspace, filter: Option<&str>, report: &mut Report) {
    let benches = workspace.targets("bench");
    if benches.is_empty() {
        println!("no benches: there is nothing in benches/");
    }
    for Target { package, name } in benches {
        report.step(&format!("bench: {name}"), |_| {
            let call = Call::cargo("bench --all-features --package").arg(&package).arg("--bench").arg(&name);
            match filter {
                Some(filter) => call.arg("--").arg(filter).run(),
                None => call.run(),
            }
        });
    }
}
