//! The layout of TypeScript declarations.

/// Returns `declaration` with indented fields, short comments, and TypeScript's terms in place of Rust's.
pub(super) fn format_declaration(declaration: &str) -> String {
    let mut out = String::new();
    let mut comment: Option<Vec<String>> = None;
    let mut indent = "";
    for line in declaration.lines().map(str::trim) {
        match (line, &mut comment) {
            ("/**", _) => comment = Some(Vec::new()),
            ("*/", Some(lines)) => {
                out += &format_comment(lines, indent);
                comment = None;
            }
            (line, Some(lines)) => lines.push(to_typescript_words(line.trim_start_matches('*').trim_start())),
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

fn format_comment(lines: &[String], indent: &str) -> String {
    match lines {
        [line] => format!("{indent}/** {line} */\n"),
        lines => {
            let lines: String =
                lines.iter().map(|line| format!("{indent} * {line}").trim_end().to_owned() + "\n").collect();
            format!("{indent}/**\n{lines}{indent} */\n")
        }
    }
}

fn to_typescript_words(line: &str) -> String {
    line.replace("[`", "`").replace("`]", "`").replace("`None`", "null").replace("::", ".")
}

#[cfg(test)]
mod format_tests {
    use super::format_declaration;

    #[test]
    fn fields_are_on_lines_of_their_own_with_comments() {
        let declaration = "/**\n * A thing, see [`Other`].\n */\nexport type Thing = {\n/**\n * One.\n */\na: number,\n/**\n * More:\n *\n * `None`: nothing.\n */\nb: string | null, };";
        insta::assert_snapshot!(format_declaration(declaration), @r#"
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
        assert_eq!(
            format_declaration("/**\n * Ids.\n */\nexport type Id = string;"),
            "/** Ids. */\nexport type Id = string;\n"
        );
    }
}
