//! Shrinks a program that differs from Node to the lines that make it differ (Zeller, "Simplifying and Isolating
//! Failure-Inducing Input", 2002).

/// Removes lines while the program fails. `fails` answers for each of several programs.
pub fn shrink_lines(source: &str, mut fails: impl FnMut(&[String]) -> Vec<bool>) -> String {
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    let mut size = lines.len();
    while size > 0 {
        let without = |at: usize| [&lines[..at], &lines[(at + size).min(lines.len())..]].concat();
        let candidates: Vec<Vec<String>> = (0..lines.len()).step_by(size).map(without).collect();
        let texts: Vec<String> = candidates.iter().map(|candidate| candidate.join("\n")).collect();
        match fails(&texts).iter().position(|&fails| fails) {
            Some(at) => lines = candidates[at].clone(),
            None => size /= 2,
        }
        size = size.min(lines.len());
    }
    lines.join("\n")
}

#[test]
fn failing_program_shrinks_to_its_lines() {
    let source: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let is_kept = |text: &String| ["17", "18", "63"].iter().all(|line| text.lines().any(|one| one == *line));
    let shrunk = shrink_lines(&source.join("\n"), |texts| texts.iter().map(is_kept).collect());
    assert_eq!(shrunk, "17\n18\n63");
    assert_eq!(shrink_lines("1\n2", |texts| vec![true; texts.len()]), "");
}
