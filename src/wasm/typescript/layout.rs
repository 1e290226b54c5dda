//! Declarations as people lay them out.

/// `declaration` with its fields indented and its comments short, and in words that are not Rust's.
pub(super) fn laid_out(declaration: &str) -> String {
    let mut out = String::new();
    let mut comment: Option<Vec<String>> = None;
    let mut indent = "";
    for line in declaration.lines().map(str::trim) {
        match (line, &mut comment) {
            ("/**", _) => comment = Some(Vec::new()),
            ("*/", Some(lines)) => {
                out += &commented(lines, indent);
                comment = None;
            }
            (line, Some(lines)) => lines.push(worded(line.trim_start_matches('*').trim_start())),
            (line, None) => {
                let (line, last) = line.strip_suffix(" };").map_or((line, false), |line| (line, true));
                out += &format!("{indent}{line}\n");
                out += if last { "};\n" } else { "" };
                indent = "  ";
            }
        }
    }
    out
}

fn commented(lines: &[String], indent: &str) -> String {
    match lines {
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let lines: String =
                lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{indent}/**\n{lines}{indent} */\n")
        }
    }
}

fn worded(line: &str) -> String {
    line.replace("[`", "`").replace("`]", "`").replace("`None`", "null").replace("::", ".")
}

#[cfg(test)]
mod tests {
    use super::laid_out;

    #[test]
    fn fields_stand_under_each_other_with_their_comments() {
        let given = "/**\n * A thing, see [`Other`].\n */\nexport type Thing = {\n/**\n * One.\n */\na: number,\n/**\n * More:\n *\n * `None`: nothing.\n */\nb: string | null, };";
        insta::assert_snapshot!(laid_out(given), @r#"
        /** A thing, see `Other`. */
        export type Thing = {
          /** One. */
          a: number,
          /**
           * More:
           *
           * null: nothing.
           */
          b: string | null,
        };
        "#);
        assert_eq!(laid_out("/**\n * Ids.\n */\nexport type Id = string;"), "/** Ids. */\nexport type Id = string;\n");
    }
}
