//! A stored field: its attributes, its declaration, and the code that writes and reads it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::meta::ParseNestedMeta;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, LitBool, LitInt, LitStr, Member, Token, Type};

use crate::name::{self, Case};

const ATTRIBUTES: &[&str] = &[
    "id",
    "composed_of",
    "kind",
    "format",
    "rename",
    "path",
    "max",
    "values",
    "references",
    "part_of",
    "default",
    "omit_default",
    "optional",
    "undeclared",
    "declared",
    "secret",
    "hidden",
    "words",
    "searchable",
    "updated",
    "shard",
    "state",
    "flatten",
];

const KINDS: &[&str] = &["text", "int", "float", "bool", "decimal", "timestamp", "id", "json", "list", "object"];

/// The formats: their word, their variant, and the number of their numbers.
const FORMATS: &[(&str, &str, usize)] = &[
    ("uuid", "Uuid", 0),
    ("date", "Date", 0),
    ("varchar", "Varchar", 1),
    ("decimal", "Decimal", 2),
    ("integer", "Integer", 0),
];

/// A field of a struct or of a variant.
pub struct StoredField {
    /// The field in Rust.
    pub member: Member,
    /// Its path in the document.
    pub path: String,
    /// Its attributes.
    pub attributes: FieldAttributes,
    /// Its type.
    pub ty: Type,
}

/// `#[entity(…)]` on a field.
#[derive(Default)]
pub struct FieldAttributes {
    /// The field is the id of the document.
    pub id: bool,
    /// The fields that compose the id.
    pub composed_of: Vec<Ident>,
    /// The collection whose ids the field holds.
    pub references: Option<LitStr>,
    /// The document is a part of the one that the field names.
    pub part: bool,
    /// A sharded MongoDB distributes the documents by the field.
    pub shard: bool,
    /// The field holds the time of the last change.
    pub updated: bool,
    /// The type's fields are stored beside this struct's own.
    pub flat: bool,
    /// The field is the state of the entity.
    pub state: bool,
    /// No result shows the field.
    pub hidden: bool,
    /// A document lacks the field if it has its default.
    pub omit_default: bool,
    kind: Option<Ident>,
    /// The format: `Varchar(50)`.
    format: Option<TokenStream>,
    rename: Option<LitStr>,
    path: Option<LitStr>,
    max: Option<Expr>,
    values: Option<Expr>,
    default: Option<DefaultValue>,
    optional: bool,
    undeclared: bool,
    declared: Option<Vec<(String, bool)>>,
    secret: bool,
    words: bool,
    searchable: bool,
}

enum DefaultValue {
    /// `Default::default()`.
    OfType,
    /// A `Literal`.
    Literal(TokenStream),
}

impl StoredField {
    /// Reads the attributes of `field`. Its stored name is inside the object `inside`, unless it has a path of its own.
    pub fn parse(field: &syn::Field, index: usize, case: Case, inside: Option<&str>) -> syn::Result<Self> {
        let attributes = FieldAttributes::parse(field)?;
        let member = field.ident.clone().map_or_else(|| Member::from(index), Member::from);
        let path = match (&attributes.path, &attributes.rename, &field.ident) {
            (Some(path), _, _) => name::stored_path(path)?,
            (None, Some(renamed), _) => join(inside, &name::stored_path(renamed)?),
            (None, None, Some(ident)) => join(inside, &case.apply(&name::plain(ident))),
            (None, None, None) if attributes.flat => String::new(),
            (None, None, None) => {
                let message = "a field without a name needs `#[entity(rename = \"…\")]` or `#[entity(flatten)]`";
                return Err(syn::Error::new_spanned(field, message));
            }
        };
        if let Some(reserved) = Some(path.as_str()).filter(|path| path.starts_with('_')) {
            let message = format!("`{reserved}` is not a valid stored name: names that begin with _ are reserved");
            return Err(syn::Error::new_spanned(field, message));
        }
        Ok(Self { member, path, attributes, ty: field.ty.clone() })
    }

    /// The place of the field in the source, for errors.
    pub fn span(&self) -> Span {
        match &self.member {
            Member::Named(ident) => ident.span(),
            Member::Unnamed(_) => self.ty.span(),
        }
    }

    /// Whether `name` is the field's name in Rust.
    pub fn is_named(&self, name: &str) -> bool {
        matches!(&self.member, Member::Named(ident) if name::plain(ident) == name)
    }

    /// The variable that holds the field of a variant.
    pub fn variable(&self) -> Ident {
        match &self.member {
            Member::Named(ident) => format_ident!("field_{}", ident.unraw()),
            Member::Unnamed(index) => format_ident!("field_{}", index.index),
        }
    }

    /// The `Part` of the declaration; nothing for a field that is not declared.
    pub fn part(&self) -> Option<TokenStream> {
        let Self { ty, path, attributes, .. } = self;
        if attributes.undeclared {
            return None;
        }
        if attributes.flat {
            return Some(
                quote_spanned!(ty.span()=> ::runstate::schema::declaration::Part::flat(<#ty as ::runstate::schema::Fields>::FIELDS)),
            );
        }
        let mut field = quote_spanned!(ty.span()=> ::runstate::schema::Field::of::<#ty>(#path));
        let id = (attributes.id || attributes.references.is_some()).then(|| Ident::new("id", Span::call_site()));
        if let Some(kind) = attributes.kind.clone().or(id) {
            let (initial, rest) = (kind.to_string()[..1].to_uppercase(), kind.to_string()[1..].to_owned());
            let kind = Ident::new(&(initial + &rest), kind.span());
            field = quote!(#field.kind(::runstate::schema::Kind::#kind));
        }
        if let Some(format) = &attributes.format {
            field = quote!(#field.format(::runstate::schema::Format::#format));
        }
        if let Some(max) = &attributes.max {
            field = quote!(#field.max(#max));
        }
        if let Some(values) = &attributes.values {
            field = quote!(#field.one_of(#values));
        }
        if attributes.secret {
            field = quote!(#field.secret());
        }
        if attributes.words {
            field = quote!(#field.words());
        }
        if attributes.searchable {
            field = quote!(#field.searchable());
        }
        if let Some(collection) = &attributes.references {
            let method = Ident::new(if attributes.part { "part_of" } else { "references" }, Span::call_site());
            field = quote!(#field.#method(#collection));
        }
        if attributes.optional || attributes.omit_default || matches!(attributes.default, Some(DefaultValue::OfType)) {
            field = quote!(#field.optional());
        }
        if let Some(DefaultValue::Literal(literal)) = &attributes.default {
            field = quote!(#field.default(#literal));
        }
        let span = self.span();
        let mut part = quote_spanned!(span=> ::runstate::schema::declaration::Part::field::<#ty>(#field));
        if let Some(declared) = &attributes.declared {
            let names = declared.iter().map(|(name, optional)| quote!((#name, #optional)));
            part = quote_spanned!(span=> #part.declared(&[#(#names),*]));
        }
        Some(part)
    }

    /// Rejects the attributes that only a field of an entity has.
    pub fn reject_entity_attributes(&self) -> syn::Result<()> {
        match self.attributes.id || self.attributes.shard || self.attributes.updated {
            true => name::error(
                self.span(),
                "`id`, `shard` and `updated` belong to the fields of an entity; use `kind = id` here",
            ),
            false => Ok(()),
        }
    }

    /// The statement that writes the field. `value` is a reference to it.
    pub fn write(&self, value: &TokenStream) -> TokenStream {
        let Self { ty, path, attributes, .. } = self;
        if attributes.flat {
            return quote_spanned!(ty.span()=> ::runstate::schema::Fields::write_fields(#value, document)?;);
        }
        let write = quote_spanned!(ty.span()=> ::runstate::schema::entity::write_field(document, #path, #value)?;);
        if !attributes.omit_default {
            return write;
        }
        quote!(if *#value != <#ty as ::core::default::Default>::default() { #write })
    }

    /// The expression that reads the field.
    pub fn read(&self) -> TokenStream {
        let Self { ty, path, attributes, .. } = self;
        if attributes.flat {
            return quote_spanned!(ty.span()=> <#ty as ::runstate::schema::Fields>::read_fields(document)?);
        }
        match &attributes.default {
            Some(DefaultValue::Literal(literal)) => {
                quote_spanned!(ty.span()=> ::runstate::schema::entity::read_field_or_literal(document, #path, #literal)?)
            }
            Some(DefaultValue::OfType) => read_or_default(path, ty),
            None if attributes.omit_default => read_or_default(path, ty),
            None => quote_spanned!(ty.span()=> ::runstate::schema::entity::read_field(document, #path)?),
        }
    }
}

fn read_or_default(path: &str, ty: &Type) -> TokenStream {
    quote_spanned!(ty.span()=> ::runstate::schema::entity::read_field_or_default::<#ty>(document, #path)?)
}

fn join(inside: Option<&str>, name: &str) -> String {
    inside.map_or_else(|| name.to_owned(), |inside| format!("{inside}.{name}"))
}

impl FieldAttributes {
    /// Whether a document that lacks the field gives the type's default.
    pub fn has_default(&self) -> bool {
        self.default.is_some()
    }

    /// The value of a field that a document lacks, if it has one of its own.
    pub fn default_literal(&self) -> Option<&TokenStream> {
        match &self.default {
            Some(DefaultValue::Literal(literal)) => Some(literal),
            _ => None,
        }
    }

    /// Reads `#[entity(…)]`.
    pub fn parse(field: &syn::Field) -> syn::Result<Self> {
        let mut attributes = Self::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("entity")) {
            attribute.parse_nested_meta(|meta| attributes.parse_one(&meta))?;
        }
        attributes.check(field)?;
        Ok(attributes)
    }

    fn parse_one(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let name = meta.path.get_ident().map(|ident| ident.unraw().to_string()).unwrap_or_default();
        match name.as_str() {
            "id" => self.id = true,
            "composed_of" => {
                return meta.parse_nested_meta(|field| {
                    self.composed_of.push(field.path.require_ident()?.clone());
                    Ok(())
                });
            }
            "secret" => self.secret = true,
            "hidden" => self.hidden = true,
            "words" => self.words = true,
            "searchable" => self.searchable = true,
            "updated" => self.updated = true,
            "shard" => self.shard = true,
            "state" | "flatten" => {
                self.flat = true;
                self.state |= name == "state";
            }
            "optional" => self.optional = true,
            "undeclared" => self.undeclared = true,
            "omit_default" => self.omit_default = true,
            "max" => self.max = Some(meta.value()?.parse()?),
            "values" => self.values = Some(meta.value()?.parse()?),
            "rename" => self.rename = Some(meta.value()?.parse()?),
            "path" => self.path = Some(meta.value()?.parse()?),
            "references" => self.references = Some(meta.value()?.parse()?),
            "part_of" => {
                self.references = Some(meta.value()?.parse()?);
                self.part = true;
            }
            "kind" => {
                let kind: Ident = meta.value()?.parse()?;
                if !KINDS.contains(&kind.to_string().as_str()) {
                    return Err(syn::Error::new_spanned(&kind, name::unknown("kind", &kind.to_string(), KINDS)));
                }
                self.kind = Some(kind);
            }
            "format" => self.format = Some(format_tokens(meta.value()?)?),
            "default" if meta.input.peek(Token![=]) => {
                self.default = Some(DefaultValue::Literal(literal(meta.value()?)?));
            }
            "default" => self.default = Some(DefaultValue::OfType),
            "declared" => {
                let mut declared = Vec::new();
                let content;
                syn::parenthesized!(content in meta.input);
                while !content.is_empty() {
                    let path = name::stored_path(&content.parse()?)?;
                    let optional = content.parse::<Option<Token![=]>>()?.is_some();
                    if optional {
                        expect_word(&content, "optional")?;
                    }
                    declared.push((path, optional));
                    if !content.is_empty() {
                        content.parse::<Token![,]>()?;
                    }
                }
                self.declared = Some(declared);
            }
            _ => return Err(name::unknown_attribute(&meta.path, ATTRIBUTES)),
        }
        Ok(())
    }

    /// Rejects attributes that contradict each other.
    fn check(&self, field: &syn::Field) -> syn::Result<()> {
        let has_declaration = self.kind.is_some()
            || self.format.is_some()
            || self.max.is_some()
            || self.values.is_some()
            || self.secret
            || self.words;
        let has_default = self.default.is_some() || self.omit_default;
        let has_name = self.path.is_some() || self.rename.is_some();
        let literal = matches!(self.default, Some(DefaultValue::Literal(_)));
        let problem = if self.flat
            && (self.id || self.shard || has_declaration || has_default || has_name || self.optional || self.undeclared)
        {
            "`state` and `flatten` exclude the other attributes: the type declares its own fields"
        } else if self.path.is_some() && self.rename.is_some() {
            "`path` and `rename` exclude each other: `path` is the whole path, `rename` the name at this level"
        } else if self.undeclared
            && (self.id || self.shard || has_declaration || self.declared.is_some() || self.references.is_some())
        {
            "an `undeclared` field has no declaration for its other attributes; remove `undeclared` or them"
        } else if self.id && (literal || self.omit_default || self.optional) {
            "an entity has an id; remove `default = …`, `omit_default` or `optional`"
        } else if !(self.composed_of.is_empty() || self.id && self.has_default()) {
            "`composed_of` belongs to the id that documents may lack: `#[entity(id, default, composed_of(…))]`"
        } else if literal && (self.omit_default || self.optional) {
            "`default = …` excludes `omit_default` and `optional`: the declaration holds the default"
        } else if self.searchable && !self.secret {
            "`searchable` is for a `secret` field; other fields are found without it"
        } else {
            return Ok(());
        };
        Err(syn::Error::new_spanned(
            field.ident.as_ref().map_or_else(|| quote!(#field), |ident| quote!(#ident)),
            problem,
        ))
    }
}

fn expect_word(input: ParseStream<'_>, expected: &str) -> syn::Result<()> {
    let word = input.call(Ident::parse_any)?;
    match word == expected {
        true => Ok(()),
        false => Err(syn::Error::new_spanned(&word, name::unknown("word here", &word.to_string(), &[expected]))),
    }
}

/// Parses a format: `uuid`, `varchar(50)`, `decimal(15, 6)`.
fn format_tokens(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let word: Ident = input.call(Ident::parse_any)?;
    let Some((_, name, numbers)) = FORMATS.iter().find(|(known, ..)| word == known) else {
        let known: Vec<&str> = FORMATS.iter().map(|(known, ..)| *known).collect();
        return Err(syn::Error::new_spanned(&word, name::unknown("format", &word.to_string(), &known)));
    };
    let variant = Ident::new(name, word.span());
    if *numbers == 0 {
        return Ok(quote!(#variant));
    }
    let content;
    syn::parenthesized!(content in input);
    let given = content.parse_terminated(|one| one.parse::<LitInt>(), Token![,])?;
    if given.len() != *numbers {
        return Err(syn::Error::new_spanned(
            &word,
            format!("`{word}` has {numbers} numbers, such as `decimal(15, 6)`"),
        ));
    }
    Ok(quote!(#variant(#given)))
}

/// Parses a constant: a boolean, an integer or a text.
fn literal(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let lookahead = input.lookahead1();
    let literal = if lookahead.peek(LitBool) {
        let value: LitBool = input.parse()?;
        quote!(Bool(#value))
    } else if lookahead.peek(LitStr) {
        let value: LitStr = input.parse()?;
        quote!(Text(#value))
    } else if lookahead.peek(LitInt) || lookahead.peek(Token![-]) {
        let minus = input.parse::<Option<Token![-]>>()?;
        let value: LitInt = input.parse()?;
        quote!(Int(#minus #value))
    } else {
        return Err(lookahead.error());
    };
    Ok(quote!(::runstate::schema::Literal::#literal))
}
