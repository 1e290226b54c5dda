//! The binary syncs files that a program writes, and exports, before it acknowledges them: its recorded system calls.

use std::path::PathBuf;

use crate::support::{CliFixture, CliOutput};
use crate::syscalls::{Durability, DurabilityReport, Tracer};

/// Runs the binary under the tracer and checks its system calls below `folder` of the scene.
fn trace(test: &str, scene: &CliFixture, folder: &str, args: &[&str]) -> Option<DurabilityReport> {
    let tracer = Tracer::new(test)?;
    CliOutput::from(tracer.command(&scene.command(args)).output().unwrap()).expect_exit(0);
    Some(Durability::new(&create_folder(scene, folder)).check(&tracer.events()))
}

/// Creates a folder in the scene. Its path has no symbolic links, as the kernel prints it.
fn create_folder(scene: &CliFixture, name: &str) -> PathBuf {
    let folder = scene.path().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

#[test]
fn files_written_by_a_program_are_synced_before_it_continues() {
    const TEST: &str = "durability::files_written_by_a_program_are_synced_before_it_continues";
    let scene = CliFixture::new();
    let granted = create_folder(&scene, "granted");
    std::fs::write(granted.join("old.txt"), "old").unwrap();
    scene.file(
        "write.ts",
        r#"
        fs.writeFile("new/folder/file.txt", "text");
        console.log("acknowledged");
        fs.writeFile("old.txt", "new");
        console.log("acknowledged");
        "#,
    );
    let run = ["run", "write.ts", "--allow-write", granted.to_str().unwrap()];
    let Some(report) = trace(TEST, &scene, "granted", &run) else { return };
    assert_eq!(report.breaches, Vec::<String>::new());
    assert_eq!((report.published, report.acknowledged), (vec!["new/folder/file.txt".into(), "old.txt".into()], 2));
}

#[test]
fn exports_are_synced_before_the_command_ends() {
    const TEST: &str = "durability::exports_are_synced_before_the_command_ends";
    let scene = CliFixture::greeting("g");
    let exports = create_folder(&scene, "exports");
    let (file, tree) = (exports.join("all.jsonl"), exports.join("tree"));
    let (file, tree) = (file.to_str().unwrap(), tree.to_str().unwrap());
    for (args, published) in [
        (&["export", file][..], "all.jsonl"),
        (&["export", "--force", file], "all.jsonl"),
        (&["export", "--tree", tree], "tree"),
    ] {
        let Some(report) = trace(TEST, &scene, "exports", args) else { return };
        assert_eq!(
            report,
            DurabilityReport { published: vec![published.into()], ..DurabilityReport::default() },
            "{args:?}"
        );
    }
}
