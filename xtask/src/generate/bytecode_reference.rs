//! `docs/bytecode.md`: the reference of bytecode, from the sources of the machine, a template and an annotated example.
//!
//! The template is Markdown. A line `{{name}}` is replaced by a generated table, `{{name}}` within a line by a number.

use std::path::Path;

use serde_json::Value;

use super::op_registry::{self, BytecodeOperation, OpGroup};
use super::rust_source::{ParsedSource, items, text};
use crate::error::XtaskError;

/// The file of the reference.
pub const REFERENCE: &str = "docs/bytecode.md";

/// The sources that are read.
pub const OPERATIONS: &str = "crates/vm/src/op.rs";
const PROGRAM: &str = "crates/vm/src/program.rs";
const VERIFIER: &str = "crates/vm/src/verifier.rs";
const LIMITS: &str = "crates/vm/src/limits.rs";
const BUILT_INS: &str = "crates/vm/src/globals.rs";
const ARRAY: &str = "crates/vm/src/array.rs";

/// Types in [`PROGRAM`], by placeholder.
const STRUCTS: [(&str, &str); 4] =
    [("instruction", "Instruction"), ("function", "Function"), ("handler", "ExceptionHandler"), ("file", "SourceFile")];
const ENUMS: [(&str, &str); 2] = [("capture", "Capture"), ("function kind", "FunctionKind")];

/// Integer constants, by placeholder.
const NUMBERS: [(&str, &str, &str); 5] = [
    ("version", PROGRAM, "BYTECODE_VERSION"),
    ("most instructions", PROGRAM, "MAX_INSTRUCTIONS"),
    ("most operands", VERIFIER, "MAX_DEPTH"),
    ("most open calls", LIMITS, "MAX_OPEN_CALLS"),
    ("most elements", ARRAY, "MAX_LENGTH"),
];

/// Lists of names in [`BUILT_INS`], by placeholder.
const LISTS: [(&str, &str); 2] = [("built-in functions", "FUNCTIONS"), ("built-in classes", "CLASSES")];

/// The struct with the limits of one machine.
const MACHINE_LIMITS: &str = "Limits";

/// Characters of a line of running text.
const LINE: usize = 150;

const TEMPLATE: &str = include_str!("bytecode.md");
const EXAMPLE: &str = include_str!("bytecode_example.txt");

/// The reference, from the sources under `root`.
pub fn reference(root: &Path) -> Result<String, XtaskError> {
    let program = ParsedSource::read(root, PROGRAM)?;
    let built_ins = ParsedSource::read(root, BUILT_INS)?;
    let groups = op_registry::read(&ParsedSource::read(root, OPERATIONS)?)?;
    let mut values: Vec<(&str, String)> = Vec::new();
    for (placeholder, name) in STRUCTS {
        values.push((placeholder, fields(&program, name)?));
    }
    for (placeholder, name) in ENUMS {
        values.push((placeholder, variants(&program, name)?));
    }
    for (placeholder, path, name) in NUMBERS {
        values.push((placeholder, grouped(ParsedSource::read(root, path)?.integer(name)?)));
    }
    for (placeholder, name) in LISTS {
        values.push((placeholder, names(&built_ins, name)?));
    }
    values.push(("machine limits", limits(&ParsedSource::read(root, LIMITS)?)?));
    values.push(("example", example(EXAMPLE, &groups)?));
    values.push(("number of operations", groups.iter().map(|group| group.operations.len()).sum::<usize>().to_string()));
    values.push(("operations", groups.iter().map(group).collect::<Vec<_>>().join("\n")));
    fill(TEMPLATE, &values)
}

/// The template with its placeholders replaced. A placeholder without a value, and a value without a placeholder, are errors.
fn fill(template: &str, values: &[(&str, String)]) -> Result<String, XtaskError> {
    let mut filled = template.to_owned();
    for (name, value) in values {
        let placeholder = format!("{{{{{name}}}}}");
        if !filled.contains(&placeholder) {
            return Err(template_error(format!("it has no {placeholder}")));
        }
        filled = filled.replace(&placeholder, value.trim_end());
    }
    match filled.split_once("{{") {
        // JSON of nested objects closes several braces, but opens two only with a name between.
        Some((_, rest)) => Err(template_error(format!("{{{{{} has no value", rest.lines().next().unwrap_or_default()))),
        None => Ok(filled),
    }
}

fn template_error(why: String) -> XtaskError {
    XtaskError::Parse { what: "the template of the bytecode reference".into(), why }
}

fn fields(source: &ParsedSource, name: &str) -> Result<String, XtaskError> {
    let rows = source.fields(name)?.into_iter().map(|field| {
        let required = if field.is_optional { "no" } else { "yes" };
        vec![format!("`{}`", field.json_name), field.json_type, required.into(), field.docs]
    });
    Ok(table(&["field", "type", "required", "meaning"], rows))
}

fn variants(source: &ParsedSource, name: &str) -> Result<String, XtaskError> {
    let rows = source.variants(name)?.into_iter().map(|variant| {
        let json = match variant.has_data {
            true => format!("`{{\"{}\":n}}`", variant.json_name),
            false => format!("`\"{}\"`", variant.json_name),
        };
        vec![json, variant.docs]
    });
    Ok(table(&["value", "meaning"], rows))
}

fn limits(source: &ParsedSource) -> Result<String, XtaskError> {
    let defaults = source.defaults(MACHINE_LIMITS)?;
    let mut rows = Vec::new();
    for field in source.fields(MACHINE_LIMITS)? {
        let default = defaults.iter().find(|(name, _)| *name == field.name);
        let (_, number) = default.ok_or_else(|| source.error(format!("{} has no default", field.name)))?;
        rows.push(vec![format!("`{}`", field.name), measured(*number), field.docs]);
    }
    Ok(table(&["limit", "default", "meaning"], rows))
}

fn names(source: &ParsedSource, name: &str) -> Result<String, XtaskError> {
    let names: Option<Vec<String>> = items(source.constant(name)?).and_then(|items| items.map(text).collect());
    let names = names.ok_or_else(|| source.error(format!("{name} is not a list of strings")))?;
    let mut lines = vec![String::new()];
    for (at, name) in names.iter().enumerate() {
        let name = format!("`{name}`{}", if at + 1 < names.len() { "," } else { "." });
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = name,
            Some(line) if line.len() + name.len() < LINE => *line += &format!(" {name}"),
            _ => lines.push(name),
        }
    }
    Ok(lines.join("\n"))
}

/// The example: the source of a program, a line `---`, and for each instruction a line with its JSON and a line with a note.
fn example(text: &str, groups: &[OpGroup]) -> Result<String, XtaskError> {
    let form = |why: String| XtaskError::Parse { what: "the example of the bytecode reference".into(), why };
    let (source, instructions) = text.split_once("---\n").ok_or_else(|| form("it has no line `---`".into()))?;
    let lines: Vec<&str> = instructions.lines().map(str::trim).collect();
    let mut rows = Vec::new();
    for (index, pair) in lines.chunks(2).enumerate() {
        let [instruction, note] = pair else { return Err(form("its last instruction has no note".into())) };
        let json: Value =
            serde_json::from_str(instruction).map_err(|error| form(format!("instruction {index}: {error}")))?;
        let mut operations = groups.iter().flat_map(|group| &group.operations);
        let operation = operations
            .find(|operation| json["op"] == operation.number)
            .ok_or_else(|| form(format!("instruction {index}: {} is not the number of an operation", json["op"])))?;
        rows.push(vec![index.to_string(), format!("`{instruction}`"), operation.name.clone(), (*note).to_owned()]);
    }
    let head = ["index", "instruction", "operation", "effect"];
    Ok(format!("```ts\n{source}```\n\n{}", table(&head, rows)))
}

/// A group of operations under its heading.
fn group(group: &OpGroup) -> String {
    // A note about the argument is in the column of arguments.
    let note = group.note.as_ref().filter(|note| !note.starts_with(op_registry::ARGUMENT));
    let note = note.map(|note| format!("\n{}.\n", capitalized(note)));
    let has_specification = group.operations.iter().any(|operation| operation.specification.is_some());
    let mut head = vec!["number", "name", "argument", "stack", "meaning"];
    if has_specification {
        head.push("ECMA-262");
    }
    let rows = group.operations.iter().map(|operation| row(operation, has_specification));
    format!("### {}\n{}\n{}", capitalized(&group.title), note.unwrap_or_default(), table(&head, rows))
}

fn row(operation: &BytecodeOperation, has_specification: bool) -> Vec<String> {
    let effects: Vec<String> = operation.effects.iter().map(|effect| format!("`{effect}`")).collect();
    let mut row = vec![
        operation.number.to_string(),
        operation.name.clone(),
        operation.argument.clone().unwrap_or_default(),
        effects.join(" or "),
        operation.meaning.clone(),
    ];
    if has_specification {
        row.push(operation.specification.clone().unwrap_or_default());
    }
    row
}

/// A Markdown table. A bar within a cell would end it, in a code span too.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| unlinked(cell).replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | ").trim_end())
    };
    let mut table = line(head.iter().map(|&name| name.to_owned()).collect());
    table += &format!("|{}\n", "---|".repeat(head.len()));
    rows.into_iter().for_each(|row| table += &line(row));
    table
}

/// Rustdoc's links to items as plain code spans.
fn unlinked(docs: &str) -> String {
    docs.replace("[`", "`").replace("`]", "`")
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// A number with its digits in groups of three, and in units of 2^20 where it is a multiple.
fn measured(number: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    if number >= MEBIBYTE && number.is_multiple_of(MEBIBYTE) {
        return format!("{} ({} Mi)", grouped(number), number / MEBIBYTE);
    }
    grouped(number)
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::ROOT;

    #[test]
    fn committed_reference_is_generated() {
        let committed = std::fs::read_to_string(Path::new(ROOT).join(REFERENCE)).unwrap();
        assert!(reference(Path::new(ROOT)).unwrap() == committed, "run cargo xtask generate");
    }

    #[test]
    fn bars_in_cells_are_escaped() {
        let table = table(&["a", "b"], [vec!["`||`".into(), "see [`Limits`]".into()], vec!["x".into(), String::new()]]);
        assert_eq!(table, "| a | b |\n|---|---|\n| `\\|\\|` | see `Limits` |\n| x | |\n");
    }

    #[test]
    fn template_and_values_must_fit() {
        let values = [("a", "1\n".to_owned())];
        assert_eq!(fill("x {{a}}\n", &values).unwrap(), "x 1\n");
        let message = |template| fill(template, &values).map_err(|error| error.to_string()).err().unwrap_or_default();
        assert!(message("x").ends_with("it has no {{a}}"));
        assert!(message("{{a}} {{b}}").ends_with("{{b}} has no value"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 10_000_000].map(grouped), ["0", "999", "1,000", "10,000,000"]);
        assert_eq!(measured(64 << 20), "67,108,864 (64 Mi)");
    }

    #[test]
    fn example_with_unknown_operation_is_an_error() {
        let message = |text| example(text, &[]).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message("f()\n---\n{\"op\":3}\n  note\n").contains("3 is not the number"));
        assert!(message("f()\n---\n{\"op\":3}\n").contains("no note"));
    }
}
