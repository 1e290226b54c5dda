//! The registry of operations, read from the source of the machine: the macro call `registry! { … }` and the comments in it.
//!
//! Each entry is `/// documentation` and `Variant = number "NAME",`. Its documentation has up to four parts:
//!
//! 1. the stack effect as a code span, `( before -- after )`; an operation with several effects has its spans in the sentences;
//! 2. a description;
//! 3. optionally a sentence that begins with `ECMA-262` and cites what specifies it;
//! 4. `arg: ` and the form of the argument, if it has one.
//!
//! A line comment `// ---- title; note ----` begins a group. A note `arg: …` is the argument of all operations of the group.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitInt, LitStr, Token};

use super::rust_source::{ParsedSource, docs};
use crate::error::XtaskError;

/// The macro call with the operations.
const REGISTRY: &str = "registry";

/// Both ends of the comment that begins a group.
const GROUP: [&str; 2] = ["// ---- ", " ----"];

/// How the form of the argument begins, in documentation and in notes.
pub const ARGUMENT: &str = "arg: ";
/// How a citation begins.
const SPECIFICATION: &str = "ECMA-262";

/// Operations that belong together.
#[derive(Debug, PartialEq, Eq)]
pub struct OpGroup {
    /// Title as the source has it.
    pub title: String,
    /// A note that holds for all its operations.
    pub note: Option<String>,
    /// The operations, in order of declaration.
    pub operations: Vec<BytecodeOperation>,
}

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub struct BytecodeOperation {
    /// Number in stored programs.
    pub number: u8,
    /// Name in listings.
    pub name: String,
    /// Stack effects.
    pub effects: Vec<String>,
    /// Its description; empty if name and effect suffice.
    pub meaning: String,
    /// The specification, without the leading `ECMA-262`.
    pub specification: Option<String>,
    /// Form of the argument.
    pub argument: Option<String>,
}

/// Reads the registry.
pub fn read(source: &ParsedSource) -> Result<Vec<OpGroup>, XtaskError> {
    let RegistryEntries(entries) = source.macro_input(REGISTRY)?;
    let mut entries = entries.into_iter().peekable();
    let mut groups: Vec<OpGroup> = Vec::new();
    // Comments are not tokens, so the lines are read a second time: groups begin between the entries.
    for line in source.text().lines().map(str::trim) {
        if let Some(head) = line.strip_prefix(GROUP[0]).and_then(|line| line.strip_suffix(GROUP[1])) {
            let (title, note) = match head.split_once("; ") {
                Some((title, note)) => (title, Some(note.to_owned())),
                None => (head, None),
            };
            groups.push(OpGroup { title: title.to_owned(), note, operations: Vec::new() });
        }
        let begins =
            |entry: &RegistryEntry| line.strip_prefix(&entry.variant).is_some_and(|rest| rest.starts_with(" = "));
        let Some(entry) = entries.next_if(begins) else { continue };
        let Some(group) = groups.last_mut() else {
            return Err(source.error(format!("{} comes before the first group", entry.name)));
        };
        let operation = entry.operation(group.note.as_deref());
        group.operations.push(operation);
    }
    match entries.next() {
        None => Ok(groups),
        Some(entry) => Err(source.error(format!("{} is not on a line of its own", entry.name))),
    }
}

/// All operations as the macro call has them.
struct RegistryEntries(Vec<RegistryEntry>);

struct RegistryEntry {
    docs: String,
    variant: String,
    number: u8,
    name: String,
}

impl Parse for RegistryEntries {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut entries = Vec::new();
        while !input.is_empty() {
            let docs = docs(&input.call(Attribute::parse_outer)?);
            let variant = input.parse::<Ident>()?.to_string();
            input.parse::<Token![=]>()?;
            let number = input.parse::<LitInt>()?.base10_parse()?;
            let name = input.parse::<LitStr>()?.value();
            input.parse::<Token![,]>()?;
            entries.push(RegistryEntry { docs, variant, number, name });
        }
        Ok(Self(entries))
    }
}

impl RegistryEntry {
    /// The parts of the documentation.
    fn operation(self, note: Option<&str>) -> BytecodeOperation {
        let (text, argument) = match self.docs.rsplit_once(ARGUMENT) {
            Some((text, argument)) => (text, Some(argument)),
            None => (self.docs.as_str(), note.and_then(|note| note.strip_prefix(ARGUMENT))),
        };
        let (text, specification) = match text.find(SPECIFICATION) {
            // A link: `[ECMA-262 …](…)`.
            Some(at) if text[..at].ends_with('[') => (&text[..at - 1], Some(sentence(&text[at - 1..]))),
            Some(at) => {
                let cited = &text[at + SPECIFICATION.len()..];
                (&text[..at], Some(sentence(cited.trim_start_matches([',', ':', ' ']))))
            }
            None => (text, None),
        };
        let effects = effects(text);
        // The effect of an operation that has only one comes first and has its own column.
        let meaning = match (&effects[..], text.split_once('`')) {
            ([effect], Some(("", rest))) => rest.strip_prefix(effect).and_then(|rest| rest.strip_prefix('`')),
            _ => None,
        };
        BytecodeOperation {
            number: self.number,
            name: self.name,
            meaning: meaning.unwrap_or(text).trim().to_owned(),
            specification,
            argument: argument.map(sentence),
            effects,
        }
    }
}

/// Without the full stop at its end.
fn sentence(text: &str) -> String {
    let text = text.trim();
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

/// The code spans of the form `( before -- after )`.
fn effects(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| span.starts_with("( ") && span.ends_with(" )") && span.contains("--"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::ROOT;

    fn read_text(entries: &str) -> Result<Vec<OpGroup>, String> {
        let text = format!("macro_rules! registry {{ () => {{}} }}\nregistry! {{\n{entries}\n}}");
        read(&ParsedSource::parse("op.rs", text).unwrap()).map_err(|error| error.to_string())
    }

    fn operation(entry: &str) -> BytecodeOperation {
        read_text(&format!("// ---- x ----\n{entry}")).unwrap().remove(0).operations.remove(0)
    }

    #[test]
    fn documentation_is_split_into_its_parts() {
        let add = operation(
            "/// `( a b -- c )` `+`, of numbers\n/// or texts. ECMA-262, ApplyStringOrNumericBinaryOperator.\nAdd = 40 \"ADD\",",
        );
        let expected = BytecodeOperation {
            number: 40,
            name: "ADD".into(),
            effects: vec!["( a b -- c )".into()],
            meaning: "`+`, of numbers or texts.".into(),
            specification: Some("ApplyStringOrNumericBinaryOperator".into()),
            argument: None,
        };
        assert_eq!(add, expected);
        let load = operation("/// `( -- value )` Reads a slot. arg: slot number, or a name.\nLoad = 3 \"LOAD\",");
        assert_eq!(
            (load.meaning.as_str(), load.argument.as_deref()),
            ("Reads a slot.", Some("slot number, or a name"))
        );
        let not = operation(
            "/// `( a -- bool )` `!` [ECMA-262 §13.5.7](https://tc39.es/ecma262/#sec-not).\nNot = 56 \"NOT\",",
        );
        assert_eq!(not.specification.as_deref(), Some("[ECMA-262 §13.5.7](https://tc39.es/ecma262/#sec-not)"));
        assert_eq!(not.meaning, "`!`");
    }

    #[test]
    fn operation_with_two_effects_keeps_them_in_its_meaning() {
        let text = "Truthy: jumps, `( a -- a )`; else falls through, `( a -- )`. For `||`.";
        let keep = operation(&format!("/// {text}\nJumpIfKeep = 19 \"JUMP_IF_KEEP\","));
        assert_eq!(keep.effects, ["( a -- a )", "( a -- )"]);
        assert_eq!(keep.meaning, text);
    }

    #[test]
    fn group_note_gives_the_argument() {
        let groups = read_text(
            "// ---- jumps; arg: index ----\n/// `( -- )`\nJump = 16 \"JUMP\",\n\n// ---- rest; by order ----\n/// `( a -- )`\nPop = 2 \"POP\",",
        )
        .unwrap();
        let heads: Vec<_> = groups.iter().map(|group| (group.title.as_str(), group.note.as_deref())).collect();
        assert_eq!(heads, [("jumps", Some("arg: index")), ("rest", Some("by order"))]);
        let arguments: Vec<_> = groups.iter().map(|group| group.operations[0].argument.as_deref()).collect();
        assert_eq!(arguments, [Some("index"), None]);
    }

    #[test]
    fn operation_without_group_is_an_error() {
        assert!(read_text("/// `( a -- )`\nPop = 2 \"POP\",").is_err_and(|why| why.contains("POP comes before")));
    }

    #[test]
    fn every_operation_has_a_stack_effect() {
        let source =
            ParsedSource::read(std::path::Path::new(ROOT), super::super::bytecode_reference::OPERATIONS).unwrap();
        let groups = read(&source).unwrap();
        let operations: Vec<&BytecodeOperation> = groups.iter().flat_map(|group| &group.operations).collect();
        assert!(operations.len() > 100 && groups.iter().all(|group| !group.operations.is_empty()));
        for operation in operations {
            assert!(!operation.effects.is_empty(), "{}", operation.name);
        }
    }
}
