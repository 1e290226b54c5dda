//! `#[index(…)]` and `#[ttl(…)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, Ident, LitStr, Token};

use crate::condition::{self, IndexCondition};
use crate::entity::Struct;
use crate::name;

const KINDS: &[&str] = &["each", "text", "contains"];

/// A field in an index or in the order of a list: `started desc`, `"request.timestamp"`.
pub struct IndexField {
    name: String,
    span: Span,
    pub descending: bool,
}

impl IndexField {
    /// Its path in the document.
    pub fn path(&self, entity: &Struct<'_>, checks: &mut Vec<TokenStream>) -> syn::Result<String> {
        entity.resolve(&self.name, self.span, checks)
    }

    pub fn direction(&self) -> TokenStream {
        match self.descending {
            true => quote!(::runstate::schema::Direction::Descending),
            false => quote!(::runstate::schema::Direction::Ascending),
        }
    }
}

/// `#[index(program_name, started desc, unique, when = "…")]`.
pub struct IndexAttribute {
    fields: Vec<IndexField>,
    /// `ordered`, or the kind that the attribute names.
    constructor: Ident,
    unique: bool,
    when: Option<LitStr>,
}

/// `#[ttl(completed_at, days = 30, when = "…")]`.
pub struct TtlAttribute {
    field: IndexField,
    after: TokenStream,
    when: Option<LitStr>,
}

impl IndexAttribute {
    pub fn parse(attribute: &Attribute) -> syn::Result<Self> {
        let index: Self = attribute.parse_args()?;
        match index.fields.is_empty() {
            true => {
                Err(syn::Error::new_spanned(attribute, "an index needs a field: `#[index(project_id, started desc)]`"))
            }
            false => Ok(index),
        }
    }

    pub fn tokens(&self, entity: &Struct<'_>, checks: &mut Vec<TokenStream>) -> syn::Result<TokenStream> {
        let mut fields = Vec::new();
        for field in &self.fields {
            let (path, direction) = (field.path(entity, checks)?, field.direction());
            fields.push(quote!((#path, #direction)));
        }
        let constructor = &self.constructor;
        let mut index = quote!(::runstate::schema::Index::#constructor(&[#(#fields),*]));
        if self.unique {
            index.extend(quote!(.unique()));
        }
        if let Some(when) = &self.when {
            let predicate = parse_condition(when, entity, checks)?;
            index.extend(quote!(.partial(#predicate)));
        }
        Ok(index)
    }
}

impl Parse for IndexAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut index = Self {
            fields: Vec::new(),
            constructor: Ident::new("ordered", Span::call_site()),
            unique: false,
            when: None,
        };
        while !input.is_empty() {
            let ident = input.fork().call(Ident::parse_any).ok();
            if ident.as_ref().is_some_and(|ident| ident == "unique") {
                input.call(Ident::parse_any)?;
                index.unique = true;
            } else if ident.is_some() && input.peek2(Token![=]) {
                index.when = Some(when(input)?);
            } else if let Some(kind) = ident.filter(|_| input.peek2(syn::token::Paren)) {
                if !KINDS.contains(&kind.to_string().as_str()) {
                    return Err(syn::Error::new_spanned(
                        &kind,
                        name::unknown("kind of index", &kind.to_string(), KINDS),
                    ));
                }
                input.call(Ident::parse_any)?;
                let content;
                syn::parenthesized!(content in input);
                index.fields.extend(content.parse_terminated(IndexField::parse, Token![,])?);
                index.constructor = kind;
            } else {
                index.fields.push(input.parse()?);
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(index)
    }
}

impl Parse for IndexField {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (name, span) = if input.peek(LitStr) {
            let path: LitStr = input.parse()?;
            (name::stored_path(&path)?, path.span())
        } else {
            let field = input.call(Ident::parse_any)?;
            (name::plain(&field), field.span())
        };
        let direction = input.peek(Ident).then(|| input.parse::<Ident>()).transpose()?;
        let descending = match &direction {
            None => false,
            Some(word) if word == "asc" => false,
            Some(word) if word == "desc" => true,
            Some(word) => {
                return Err(syn::Error::new_spanned(
                    word,
                    name::unknown("direction", &word.to_string(), &["asc", "desc"]),
                ));
            }
        };
        Ok(Self { name, span, descending })
    }
}

impl TtlAttribute {
    pub fn parse(attribute: &Attribute) -> syn::Result<Self> {
        attribute.parse_args()
    }

    pub fn tokens(&self, entity: &Struct<'_>, checks: &mut Vec<TokenStream>) -> syn::Result<TokenStream> {
        let path = self.field.path(entity, checks)?;
        let after = &self.after;
        let partial = match &self.when {
            Some(when) => {
                let predicate = parse_condition(when, entity, checks)?;
                quote!(::core::option::Option::Some(#predicate))
            }
            None => quote!(::core::option::Option::None),
        };
        Ok(quote!(::runstate::schema::Ttl { field: #path, after: #after, partial: #partial }))
    }
}

impl Parse for TtlAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = input.parse()?;
        input.parse::<Token![,]>()?;
        let unit = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let amount: Expr = input.parse()?;
        let after = match unit.to_string().as_str() {
            "days" => quote!(::runstate::time::Millis::days(#amount)),
            "seconds" => quote!(::runstate::time::Millis::seconds(#amount)),
            "after" => quote!(#amount),
            other => {
                return Err(syn::Error::new_spanned(
                    &unit,
                    name::unknown("time to live", other, &["days", "seconds", "after"]),
                ));
            }
        };
        let comma = input.parse::<Option<Token![,]>>()?;
        let when = (comma.is_some() && !input.is_empty()).then(|| when(input)).transpose()?;
        Ok(Self { field, after, when })
    }
}

/// Parses `when = "…"`.
fn when(input: ParseStream<'_>) -> syn::Result<LitStr> {
    let name = input.call(Ident::parse_any)?;
    if name != "when" {
        return Err(syn::Error::new_spanned(&name, name::unknown("attribute", &name.to_string(), &["when"])));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

pub fn parse_condition(when: &LitStr, entity: &Struct<'_>, checks: &mut Vec<TokenStream>) -> syn::Result<TokenStream> {
    let condition: IndexCondition =
        condition::parse(&when.value()).map_err(|problem| syn::Error::new_spanned(when, problem))?;
    condition.tokens(&mut |name| entity.resolve(name, when.span(), checks))
}
