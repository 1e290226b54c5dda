//! A Rust source file as the generators read it: constants, functions, types and their doc comments, found by name. The file is parsed,
//! not compiled, so the crate that it belongs to is not built.

use std::path::Path;

use syn::{Attribute, Expr, ExprLit, Fields, Item, ItemFn, Lit, Meta, Type};

use crate::error::XtaskError;

/// One parsed source file.
pub struct ParsedSource {
    path: String,
    text: String,
    file: syn::File,
}

/// A field of a struct that serde reads and writes.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonField {
    /// Name in Rust.
    pub name: String,
    /// Name in JSON.
    pub json_name: String,
    /// Type in JSON, as documentation names it.
    pub json_type: String,
    /// It may be absent in JSON.
    pub is_optional: bool,
    /// Doc comment.
    pub docs: String,
}

/// A variant of an enum that serde reads and writes.
#[derive(Debug, PartialEq, Eq)]
pub struct JsonVariant {
    /// Name in JSON.
    pub json_name: String,
    /// It carries data, so its JSON is an object with this name as the key.
    pub has_data: bool,
    /// Doc comment.
    pub docs: String,
}

impl ParsedSource {
    /// Reads and parses the file at `path` under `root`.
    pub fn read(root: &Path, path: &str) -> Result<Self, XtaskError> {
        let text = std::fs::read_to_string(root.join(path))
            .map_err(|source| XtaskError::File { path: path.into(), source })?;
        Self::parse(path, text)
    }

    /// Parses `text`; errors name `path`.
    pub fn parse(path: &str, text: String) -> Result<Self, XtaskError> {
        let file =
            syn::parse_file(&text).map_err(|error| XtaskError::Parse { what: path.into(), why: error.to_string() })?;
        Ok(Self { path: path.into(), text, file })
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// An error about this file.
    pub fn error(&self, why: impl Into<String>) -> XtaskError {
        XtaskError::Parse { what: self.path.clone(), why: why.into() }
    }

    /// All constants, in order of declaration.
    pub fn constants(&self) -> impl Iterator<Item = (String, &Expr)> {
        self.file.items.iter().filter_map(|item| match item {
            Item::Const(constant) => Some((constant.ident.to_string(), &*constant.expr)),
            _ => None,
        })
    }

    /// The value of a constant.
    pub fn constant(&self, name: &str) -> Result<&Expr, XtaskError> {
        let found = self.constants().find(|(other, _)| other == name);
        found.map(|(_, value)| value).ok_or_else(|| self.missing("constant", name))
    }

    /// The value of an integer constant.
    pub fn integer(&self, name: &str) -> Result<u64, XtaskError> {
        let value = self.constant(name)?;
        integer(value).ok_or_else(|| self.error(format!("constant {name} is not an integer expression")))
    }

    /// All functions outside of types, in order of declaration.
    pub fn functions(&self) -> impl Iterator<Item = &ItemFn> {
        self.file.items.iter().filter_map(|item| match item {
            Item::Fn(function) => Some(function),
            _ => None,
        })
    }

    /// A function outside of types.
    pub fn function(&self, name: &str) -> Result<&ItemFn, XtaskError> {
        self.functions().find(|function| function.sig.ident == name).ok_or_else(|| self.missing("function", name))
    }

    /// The tokens between the delimiters of `name! { … }`.
    pub fn macro_input<T: syn::parse::Parse>(&self, name: &str) -> Result<T, XtaskError> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Macro(call) if call.mac.path.is_ident(name) => Some(&call.mac),
            _ => None,
        });
        let call = found.ok_or_else(|| self.missing("macro call", name))?;
        call.parse_body().map_err(|error| self.error(format!("{name}!: {error}")))
    }

    /// The fields of a struct that are in its JSON.
    pub fn fields(&self, name: &str) -> Result<Vec<JsonField>, XtaskError> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Struct(found) if found.ident == name => Some(&found.fields),
            _ => None,
        });
        let Some(Fields::Named(fields)) = found else { return Err(self.missing("struct", name)) };
        let mut listed = Vec::new();
        for field in &fields.named {
            let serde = Serde::of(&field.attrs).map_err(|error| self.error(format!("{name}: {error}")))?;
            if serde.is_skipped {
                continue;
            }
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            listed.push(JsonField {
                json_name: serde.rename.unwrap_or_else(|| name.clone()),
                name,
                json_type: json_type(&field.ty),
                is_optional: serde.has_default,
                docs: docs(&field.attrs),
            });
        }
        Ok(listed)
    }

    /// The variants of an enum whose JSON has their names in lower case.
    pub fn variants(&self, name: &str) -> Result<Vec<JsonVariant>, XtaskError> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Enum(found) if found.ident == name => Some(found),
            _ => None,
        });
        let found = found.ok_or_else(|| self.missing("enum", name))?;
        let variants = found.variants.iter().map(|variant| JsonVariant {
            json_name: variant.ident.to_string().to_lowercase(),
            has_data: !matches!(variant.fields, Fields::Unit),
            docs: docs(&variant.attrs),
        });
        Ok(variants.collect())
    }

    /// The integers that `impl Default` gives to the fields of a struct, by the fields' names in Rust.
    pub fn defaults(&self, name: &str) -> Result<Vec<(String, u64)>, XtaskError> {
        let is_default = |item: &syn::ItemImpl| {
            let is_for = matches!(&*item.self_ty, Type::Path(path) if path.path.is_ident(name));
            is_for && item.trait_.as_ref().is_some_and(|(_, path, _)| path.is_ident("Default"))
        };
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Impl(item) if is_default(item) => item.items.iter().find_map(|item| match item {
                syn::ImplItem::Fn(function) => function.block.stmts.last(),
                _ => None,
            }),
            _ => None,
        });
        let Some(syn::Stmt::Expr(Expr::Struct(value), None)) = found else {
            return Err(self.missing("default of", name));
        };
        let field = |field: &syn::FieldValue| match &field.member {
            syn::Member::Named(name) => Some((name.to_string(), integer(&field.expr)?)),
            syn::Member::Unnamed(_) => None,
        };
        let fields: Option<Vec<_>> = value.fields.iter().map(field).collect();
        fields.ok_or_else(|| self.error(format!("a default of {name} is not an integer expression")))
    }

    fn missing(&self, what: &str, name: &str) -> XtaskError {
        self.error(format!("{what} `{name}` is missing"))
    }
}

/// The `#[serde(…)]` attributes of a field.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    is_skipped: bool,
    has_default: bool,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Result<Self, syn::Error> {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            attribute.parse_nested_meta(|meta| {
                serde.is_skipped |= meta.path.is_ident("skip");
                serde.has_default |= meta.path.is_ident("default");
                if let Ok(value) = meta.value() {
                    let value: syn::LitStr = value.parse()?;
                    if meta.path.is_ident("rename") {
                        serde.rename = Some(value.value());
                    }
                }
                Ok(())
            })?;
        }
        Ok(serde)
    }
}

/// The doc comment, its lines joined by spaces.
pub fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => text(&meta.value),
        _ => None,
    });
    lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>().join(" ")
}

/// The text of a string literal.
pub fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// The items of an array, or of a reference to one.
pub fn items(value: &Expr) -> Option<impl Iterator<Item = &Expr>> {
    match value {
        Expr::Array(array) => Some(array.elems.iter()),
        Expr::Reference(reference) => match &*reference.expr {
            Expr::Array(array) => Some(array.elems.iter()),
            _ => None,
        },
        _ => None,
    }
}

/// The value of an expression of integer literals, `<<` and `*`.
pub fn integer(value: &Expr) -> Option<u64> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Paren(inner) => integer(&inner.expr),
        Expr::Binary(binary) => {
            let (left, right) = (integer(&binary.left)?, integer(&binary.right)?);
            match binary.op {
                syn::BinOp::Shl(_) => left.checked_shl(u32::try_from(right).ok()?),
                syn::BinOp::Mul(_) => left.checked_mul(right),
                _ => None,
            }
        }
        _ => None,
    }
}

fn json_type(of: &Type) -> String {
    let Type::Path(path) = of else { return "any".into() };
    let Some(last) = path.path.segments.last() else { return "any".into() };
    let inner = match &last.arguments {
        syn::PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
            syn::GenericArgument::Type(inner) => Some(json_type(inner)),
            _ => None,
        }),
        _ => None,
    };
    match (last.ident.to_string().as_str(), inner) {
        ("u8" | "u16" | "u32" | "u64", _) => "integer".into(),
        ("String", _) => "string".into(),
        ("bool", _) => "boolean".into(),
        ("Json" | "Value", _) => "any".into(),
        ("Option", Some(inner)) => inner,
        ("Vec", Some(inner)) => format!("array of {inner}"),
        (name, _) => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> ParsedSource {
        ParsedSource::parse("a.rs", text.into()).unwrap()
    }

    #[test]
    fn fields_have_their_names_and_types_in_json() {
        let source = source(
            r#"
            /// A thing.
            pub struct Thing {
                /// Number of
                /// the thing.
                pub op: u64,
                #[serde(default, rename = "async", skip_serializing_if = "std::ops::Not::not")]
                pub is_async: bool,
                #[serde(default)]
                pub parts: Option<Vec<Part>>,
                #[serde(skip)]
                pub hidden: u32,
            }
            "#,
        );
        let field = |name: &str, json_name: &str, json_type: &str, is_optional, docs: &str| JsonField {
            name: name.into(),
            json_name: json_name.into(),
            json_type: json_type.into(),
            is_optional,
            docs: docs.into(),
        };
        let expected = [
            field("op", "op", "integer", false, "Number of the thing."),
            field("is_async", "async", "boolean", true, ""),
            field("parts", "parts", "array of `Part`", true, ""),
        ];
        assert_eq!(source.fields("Thing").unwrap(), expected);
    }

    #[test]
    fn integers_are_computed() {
        let source = source(
            "const A: u64 = 64 << 20; const B: u32 = 2 * (1_000 << 1); const C: &[&str] = &[\"x\"];
            impl Default for Limits { fn default() -> Limits { Limits { a: 1 << 3, b: 7 } } }",
        );
        assert_eq!((source.integer("A").unwrap(), source.integer("B").unwrap()), (67_108_864, 4_000));
        assert_eq!(source.defaults("Limits").unwrap(), [("a".to_owned(), 8), ("b".to_owned(), 7)]);
        assert_eq!(items(source.constant("C").unwrap()).unwrap().filter_map(text).collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn missing_item_is_an_error_that_names_the_file() {
        let source = source("enum Kind { Plain, Cell(u16) }");
        let message = |error: XtaskError| error.to_string();
        assert_eq!(source.integer("A").map_err(message), Err("a.rs could not be read: constant `A` is missing".into()));
        assert_eq!(
            source.fields("Kind").map_err(message),
            Err("a.rs could not be read: struct `Kind` is missing".into())
        );
        let variants = source.variants("Kind").unwrap();
        let named: Vec<_> = variants.iter().map(|variant| (variant.json_name.as_str(), variant.has_data)).collect();
        assert_eq!(named, [("plain", false), ("cell", true)]);
    }
}
