//! The source of the regexp's tables: the Unicode data that the crate `regress` carries, at the version that `Cargo.lock` pins by checksum.
//!
//! The crate keeps its tables private, so its source file is parsed. `regress` 0.12.0 has Unicode 17.0. The crates that publish
//! such data have another version, and two semver-compatible versions of one crate cannot be in one lock file: `icu_properties` 2.4 has
//! Unicode 18.0 (2.1 has 17.0, but other dependencies need 2.4), `unicode-properties` 0.1.5 has 18.0, `regex-syntax` 0.8.11 has 16.0.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;
use syn::{Expr, ExprLit, Lit, Pat, Stmt, UnOp};

use super::rust_source::{ParsedSource, items};
use super::table_bytes::{InversionList, MappingRow};
use crate::error::XtaskError;
use crate::workspace;

/// The crate.
const CRATE: &str = "regress";

/// Its file with the tables.
const TABLES: &str = "src/unicodetables.rs";

/// Functions from a name to a variant, and from a variant to the code points.
const GENERAL_CATEGORY: [&str; 2] =
    ["unicode_property_value_general_category_from_str", "general_category_property_value_ranges"];
const BINARY: [&str; 2] = ["unicode_property_binary_from_str", "binary_property_ranges"];
const SCRIPT: [&str; 2] = ["unicode_property_value_script_from_str", "script_value_ranges"];
const SCRIPT_EXTENSIONS: [&str; 2] = ["unicode_property_value_script_from_str", "script_extensions_value_ranges"];

/// The table of characters that become others.
const CASE_FOLDING: &str = "FOLDS";

/// A property, or a value of one, with the code points that have it.
#[derive(Debug)]
pub struct Property {
    /// All its names, in the order of the source.
    pub names: Vec<String>,
    /// The code points.
    pub points: InversionList,
    /// Number of ranges in the source.
    pub ranges: usize,
}

/// The Unicode data that ECMA-262 regular expressions need: UnicodeMatchProperty, UnicodeMatchPropertyValue, Canonicalize.
#[derive(Debug)]
pub struct UnicodeSource {
    /// Values of General_Category: the categories, then their groups.
    pub general_categories: Vec<Property>,
    /// Binary properties of code points.
    pub binary: Vec<Property>,
    /// Values of Script.
    pub scripts: Vec<Property>,
    /// Values of Script_Extensions, one for each script and in the same order.
    pub script_extensions: Vec<Property>,
    /// Simple case folding.
    pub case_folding: Vec<MappingRow>,
}

impl UnicodeSource {
    /// Reads the tables of the crate that `metadata` (of cargo) names.
    pub fn read(metadata: &Value) -> Result<Self, XtaskError> {
        let package = workspace::items(&metadata["packages"]).find(|package| package["name"] == CRATE);
        let manifest = package.and_then(|package| package["manifest_path"].as_str()).map(Path::new);
        let folder = manifest.and_then(Path::parent).ok_or_else(|| XtaskError::Missing {
            what: format!("the source of the crate {CRATE}"),
            why: "cargo metadata does not name it; it is a dev-dependency of the root package".into(),
        })?;
        Self::parse(&ParsedSource::read(folder, TABLES)?)
    }

    fn parse(source: &ParsedSource) -> Result<Self, XtaskError> {
        let tables = RegressTables::of(source)?;
        Ok(Self {
            general_categories: tables.properties(GENERAL_CATEGORY)?,
            binary: tables.properties(BINARY)?,
            scripts: tables.properties(SCRIPT)?,
            script_extensions: tables.properties(SCRIPT_EXTENSIONS)?,
            case_folding: tables.mapping(CASE_FOLDING)?,
        })
    }
}

/// The constants of the source by name, and the functions that return one of them.
struct RegressTables<'s> {
    source: &'s ParsedSource,
    constants: HashMap<String, &'s Expr>,
    returned: HashMap<String, String>,
}

impl<'s> RegressTables<'s> {
    fn of(source: &'s ParsedSource) -> Result<Self, XtaskError> {
        let constants = source.constants().collect();
        let returned = source.functions().filter_map(|function| match function.block.stmts.as_slice() {
            [Stmt::Expr(Expr::Reference(to), None)] => Some((function.sig.ident.to_string(), path(&to.expr)?)),
            _ => None,
        });
        Ok(Self { source, constants, returned: returned.collect() })
    }

    /// All properties of one kind, in the order in which their names are matched.
    fn properties(&self, [names, ranges]: [&str; 2]) -> Result<Vec<Property>, XtaskError> {
        let mut tables = HashMap::new();
        for arm in self.arms(ranges)? {
            if let (Pat::Ident(variant), Some(table)) = (&arm.pat, self.table(&arm.body)) {
                tables.insert(variant.ident.to_string(), table);
            }
        }
        let mut properties = Vec::new();
        for arm in self.arms(names)? {
            let (names, Some(variant)) = (strings(&arm.pat), some_variant(&arm.body)) else { continue };
            let table = tables.get(&variant).ok_or_else(|| self.source.error(format!("{ranges} lacks {variant}")))?;
            let range = |call: &Vec<i64>| match call[..] {
                [first, last] => Ok((to_u32(first)?, to_u32(last)?)),
                _ => Err(format!("{table} has a range that is not two numbers")),
            };
            let ranges: Result<Vec<(u32, u32)>, String> = self.calls(table)?.iter().map(range).collect();
            let ranges = ranges.map_err(|why| self.source.error(why))?;
            properties.push(Property { names, ranges: ranges.len(), points: InversionList::from_ranges(ranges) });
        }
        Ok(properties)
    }

    fn mapping(&self, table: &str) -> Result<Vec<MappingRow>, XtaskError> {
        let row = |call: &Vec<i64>| match call[..] {
            [first, length, distance, stride] => Ok(MappingRow {
                first: to_u32(first)?,
                length: to_u32(length)?,
                distance: i32::try_from(distance).map_err(|error| error.to_string())?,
                stride: to_u32(stride)?,
            }),
            _ => Err(format!("{table} has a row that is not four numbers")),
        };
        let rows: Result<_, String> = self.calls(table)?.iter().map(row).collect();
        rows.map_err(|why| self.source.error(why))
    }

    /// The arms of the `match` that ends a function.
    fn arms(&self, function: &str) -> Result<&'s [syn::Arm], XtaskError> {
        match self.source.function(function)?.block.stmts.last() {
            Some(Stmt::Expr(Expr::Match(last), None)) => Ok(&last.arms),
            _ => Err(self.source.error(format!("{function} does not end in a match"))),
        }
    }

    /// The constant that an arm returns: itself (`&ADLAM`) or through a function (`alphabetic_ranges()`).
    fn table(&self, body: &Expr) -> Option<String> {
        match body {
            Expr::Reference(to) => path(&to.expr),
            Expr::Call(call) => self.returned.get(&path(&call.func)?).cloned(),
            _ => None,
        }
    }

    /// The numbers of each call (`Interval::new(65, 90)`) in a constant array.
    fn calls(&self, table: &str) -> Result<Vec<Vec<i64>>, XtaskError> {
        let calls = self.constants.get(table).and_then(|value| items(value)).map(|calls| {
            calls.map(|call| match call {
                Expr::Call(call) => call.args.iter().map(number).collect(),
                _ => None,
            })
        });
        let numbers: Option<Option<Vec<Vec<i64>>>> = calls.map(Iterator::collect);
        numbers.flatten().ok_or_else(|| self.source.error(format!("{table} is not an array of calls with numbers")))
    }
}

fn to_u32(number: i64) -> Result<u32, String> {
    u32::try_from(number).map_err(|error| format!("{number}: {error}"))
}

/// The name in an expression that is one name.
fn path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// The variant in `Some(Variant)`.
fn some_variant(body: &Expr) -> Option<String> {
    match body {
        Expr::Call(call) if path(&call.func)? == "Some" => path(call.args.first()?),
        _ => None,
    }
}

/// The strings of a pattern like `"Alpha" | "Alphabetic"`.
fn strings(pattern: &Pat) -> Vec<String> {
    match pattern {
        Pat::Or(or) => or.cases.iter().flat_map(strings).collect(),
        Pat::Lit(ExprLit { lit: Lit::Str(text), .. }) => vec![text.value()],
        _ => Vec::new(),
    }
}

fn number(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => number(&unary.expr).map(|number| -number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        const LETTER: [Interval; 2] = [Interval::new(65, 90), Interval::new(97, 122)];
        fn letter_ranges() -> &'static [Interval] { &LETTER }
        const LATIN_EXTENSIONS: [Interval; 1] = [Interval::new(65, 122)];
        fn general_category_property_value_ranges(value: &G) -> &'static [Interval] {
            use G::*;
            match value { Letter => letter_ranges(), }
        }
        fn unicode_property_value_general_category_from_str(s: &str) -> Option<G> {
            match s { "L" | "Letter" => Some(Letter), _ => None, }
        }
        fn binary_property_ranges(value: &B) -> &'static [Interval] { match value {} }
        fn unicode_property_binary_from_str(s: &str) -> Option<B> { match s { _ => None } }
        fn script_value_ranges(value: &S) -> &'static [Interval] { match value { Latin => &LETTER, } }
        fn script_extensions_value_ranges(value: &S) -> &'static [Interval] { match value { Latin => &LATIN_EXTENSIONS, } }
        fn unicode_property_value_script_from_str(s: &str) -> Option<S> { match s { "Latin" => Some(Latin), _ => None } }
        pub(crate) const FOLDS: [FoldRange; 1] = [FoldRange::from(0x61, 26, -32, 2)];
    "#;

    fn parse(text: String) -> Result<UnicodeSource, String> {
        UnicodeSource::parse(&ParsedSource::parse("t.rs", text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn tables_are_found_by_name() {
        let source = parse(SOURCE.into()).unwrap();
        let [letter] = &source.general_categories[..] else { panic!("{source:?}") };
        assert_eq!((&letter.names[..], letter.ranges), (&["L".to_owned(), "Letter".to_owned()][..], 2));
        assert_eq!(letter.points.edges(), [65, 91, 97, 123]);
        assert_eq!(source.scripts[0].points, letter.points);
        assert_eq!(source.script_extensions[0].points.edges(), [65, 123]);
        assert_eq!(source.case_folding, [MappingRow { first: 0x61, length: 26, distance: -32, stride: 2 }]);
    }

    #[test]
    fn changed_layout_is_an_error() {
        let message = |from: &str, to: &str| parse(SOURCE.replace(from, to)).err().unwrap_or_default();
        assert!(message("FOLDS", "OTHER").contains("FOLDS is not an array"));
        assert!(message("Letter => letter_ranges()", "_ => x()").contains("lacks Letter"));
        assert!(message("Interval::new(65, 122)", "X").contains("LATIN_EXTENSIONS is not an array"));
    }
}
