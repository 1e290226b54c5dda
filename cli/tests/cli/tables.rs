//! Tables and colours, on terminals and where there is none.
#![cfg(target_os = "linux")]

use super::support::{GREET, Said, Scene};
use super::terminal::shell;

/// `runstate` with `args` on a terminal of so many columns that has colours.
fn at(columns: u32, scene: &Scene, args: &str) -> Option<Said> {
    let line =
        format!("stty rows 24 cols {columns}; env -u NO_COLOR TERM=xterm {} {args}", env!("CARGO_BIN_EXE_runstate"));
    shell("tables", scene, &line, "")
}

/// An execution with a question of many lines, and one whose id and program are as long as can be.
fn crowded() -> Scene {
    let scene = Scene::with("greet", GREET);
    scene.file(
        "ask.ts",
        "CC('Is this ready to be merged?\\nThink of the tests, of the words, and of those who read it.')",
    );
    scene.run(&["run", "ask.ts", "--id", "review-of-the-parser"]).ended(3);
    let (name, id) = ("n".repeat(200), "i".repeat(200));
    scene.run(&["run", "ask.ts", "--name", &name, "--id", &id]).ended(3);
    scene
}

fn uncoloured(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
}

#[test]
fn a_list_fits_the_terminal() {
    let scene = crowded();
    for columns in [62, 80, 120, 200] {
        let Some(said) = at(columns, &scene, "list") else { return };
        let shown = uncoloured(&said.ended(0).out).replace('\r', "");
        let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width <= columns as usize), "{columns}: {widths:?}\n{shown}");
        assert!(shown.contains("\nreview-of-the-parser ") && shown.contains("ii…"), "{columns}: {shown}");
        assert!(columns < 100 || shown.contains("Is this ready to be merged?"), "{shown}");
    }
}

#[test]
fn a_list_that_is_piped_has_everything_and_a_huge_row_moves_no_other() {
    let said = crowded().run(&["list"]).ended(0).out;
    assert!(said.contains(&"i".repeat(200)) && said.contains(&"n".repeat(200)), "{said}");
    let line = said.lines().find(|line| line.starts_with("review-")).unwrap();
    let words: Vec<&str> = line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    assert_eq!((words[0], words[1], words[2]), ("review-of-the-parser", "ask", "waiting_cc"));
    assert!(words[4].ends_with(r"merged?\nThink of the tests, of the words, and of those who read it."), "{line}");
    assert!(line.len() < 200, "{line}");
}

#[test]
fn a_terminal_is_shown_the_newest_fifty() {
    let scene = Scene::with("one", "CC('?')");
    for n in 0..51 {
        scene.run(&["start", "one", "--id", &format!("e{n}")]).ended(3);
    }
    let Some(said) = at(80, &scene, "list") else { return };
    let shown = uncoloured(&said.ended(0).out);
    assert!(shown.contains("\ne50 ") && shown.contains("\ne1 ") && !shown.contains("\ne0 "), "{shown}");
    assert!(shown.contains("these are the newest 50; --limit N shows more"), "{shown}");
    let Some(said) = at(80, &scene, "list --limit 51") else { return };
    let shown = uncoloured(&said.ended(0).out);
    assert!(shown.contains("\ne0 ") && !shown.contains("--limit"), "{shown}");
    assert_eq!(scene.run(&["list"]).ended(0).out.lines().count(), 52, "what is piped is all there");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let scene = Scene::greeting("g1");
    let coloured = |args: &[&str]| scene.run(args).out.contains('\u{1b}');
    assert!(!coloured(&["list"]));
    assert!(coloured(&["list", "--color", "always"]));
    assert!(!coloured(&["list", "--color", "always", "--json"]));
    assert!(coloured(&["--color=always", "help"]) && !coloured(&["help"]));
    assert!(scene.run(&["show", "nobody", "--color", "always"]).ended(5).err.starts_with("\u{1b}["));
    scene.run(&["list", "--color", "purple"]).ended(2).explains(&["purple", "auto"]);

    let Some(said) = at(80, &scene, "list") else { return };
    assert!(said.out.contains("\u{1b}[33mwaiting_cc\u{1b}[0m"), "{}", said.out);
    let binary = env!("CARGO_BIN_EXE_runstate");
    for forbidden in ["NO_COLOR=1 TERM=xterm", "NO_COLOR= TERM=dumb"] {
        let said = shell("tables", &scene, &format!("env {forbidden} {binary} list"), "").unwrap();
        assert!(!said.ended(0).out.contains('\u{1b}'), "{forbidden}");
    }
    let said = at(80, &scene, "list --color never").unwrap();
    assert!(!said.ended(0).out.contains('\u{1b}'));
}

#[test]
fn all_that_is_listed_fits_the_terminal() {
    let scene = crowded();
    let long = "d".repeat(300);
    scene.run(&["load", "ask.ts", "--tag", &long, "--description", &long]).ended(0);
    scene.run(&["start", "ask", "--id", "logged", "--log-level", "instructions"]).ended(3);
    for args in
        ["programs", "calls", "calls logged", "program history ask", "program show ask --bytecode", "logs logged"]
    {
        for columns in [72, 100] {
            let Some(said) = at(columns, &scene, args) else { return };
            let shown = uncoloured(&said.ended(0).out).replace('\r', "");
            let wide: Vec<&str> = shown.lines().filter(|line| line.chars().count() > columns as usize).collect();
            assert!(wide.is_empty(), "{args} at {columns}: {wide:#?}");
        }
    }
}
