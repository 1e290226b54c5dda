//! Operations and parameters.

use crate::name::{self, Case};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Field, Fields, Ident, LitStr, Path, Result, Token, Type, parse_quote,
};

/// The attributes of a struct: `#[operation(name = "cvm.start", query, cli = "start", command = Answer)]`. A generic
/// struct has constants of its types in place of the texts.
#[derive(Default)]
struct OperationAttributes {
    name: Option<Expr>,
    is_query: bool,
    creates: bool,
    command_line: Option<Expr>,
    command: Option<Type>,
    result: Option<Type>,
    /// The collection and the field with the id of the document that the command contends for.
    contends: Option<(Path, Ident)>,
}

/// The attributes of a field: `#[operation(subject)]`.
#[derive(Default)]
struct ParameterAttributes {
    is_subject: bool,
    /// Not a parameter.
    is_skipped: bool,
    /// An optional plain value of which null is a value too.
    is_json: bool,
    name: Option<Expr>,
    default: Option<Expr>,
}

struct DeclaredParameter<'a> {
    field: &'a Field,
    attributes: ParameterAttributes,
    name: Expr,
}

fn attributes(input: &DeriveInput) -> Result<OperationAttributes> {
    let mut attributes = OperationAttributes::default();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("operation")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                attributes.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("query") {
                attributes.is_query = true;
            } else if meta.path.is_ident("creates") {
                attributes.creates = true;
            } else if meta.path.is_ident("cli") {
                attributes.command_line = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("command") {
                attributes.command = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("result") {
                attributes.result = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("contends") {
                let content;
                syn::parenthesized!(content in meta.input);
                let collection = content.parse()?;
                content.parse::<Token![,]>()?;
                attributes.contends = Some((collection, content.parse()?));
            } else {
                let known = "`name = \"domain.verb\"`, `query`, `creates`, `cli = \"…\"`, `command = Type`, `result = Type` or `contends(COLLECTION, field)`";
                return Err(meta.error(format!("unknown attribute; use {known}")));
            }
            Ok(())
        })?;
    }
    Ok(attributes)
}

/// `OperationName` of a command or query.
pub fn operation_name(input: &DeriveInput) -> Result<TokenStream> {
    let OperationAttributes { name, contends, .. } = attributes(input)?;
    implement_name(input, name, contends)
}

fn implement_name(input: &DeriveInput, name: Option<Expr>, contends: Option<(Path, Ident)>) -> Result<TokenStream> {
    let name = name.ok_or_else(|| {
        Error::new_spanned(&input.ident, "an operation needs a name: `#[operation(name = \"domain.verb\")]`")
    })?;
    if text(&name).is_some_and(|name| !is_operation_name(&name.value())) {
        let message = "an operation's name is `domain.verb` or `domain.noun.verb`, each word in camel case";
        return Err(Error::new_spanned(name, message));
    }
    let contended = contends.map(|(collection, field)| {
        quote! {
            fn contended(&self) -> ::std::option::Option<::runstate::schema::Key> {
                ::std::option::Option::Some(::runstate::schema::Key::new(&#collection, &self.#field))
            }
        }
    });
    let ident = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::runstate::decision::OperationName for #ident #types #bounds {
            const NAME: &'static str = #name;

            #contended
        }
    })
}

pub fn operation(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = attributes(input)?;
    let own_name = attributes.name.as_ref().and_then(text).map(LitStr::value);
    let name = implement_name(input, attributes.name, attributes.contends)?;
    let command_line = match attributes.command_line {
        Some(words) => quote!(::std::option::Option::Some(#words)),
        None => quote!(::std::option::Option::None),
    };
    let parameters = parameters(input, own_name.as_deref())?;
    let implementation = implement_parameters(input, &parameters);
    let ident = &input.ident;
    let (kind, output, parse) = match attributes.is_query {
        true => (quote!(Query), quote!(DomainQuery), quote!(parse_query)),
        false => (quote!(Command), quote!(Command), quote!(parse_command)),
    };
    let creates = attributes.creates;
    let documentation = documentation(&input.attrs);
    let (generics, types, bounds) = input.generics.split_for_impl();
    let command = attributes.command.map_or_else(|| quote!(#ident #types), |command| quote!(#command));
    let result = attributes
        .result
        .map_or_else(|| quote!(<#command as ::runstate::decision::#output>::Output), |result| quote!(#result));
    Ok(quote! {
        #name

        #implementation

        impl #generics ::runstate::operation::Operation for #ident #types #bounds {
            const OPERATION: ::runstate::operation::OperationDeclaration = ::runstate::operation::OperationDeclaration {
                signature: ::runstate::operation::Signature {
                    name: <Self as ::runstate::decision::OperationName>::NAME,
                    kind: ::runstate::operation::OperationKind::#kind,
                    creates: #creates,
                    parameters: <Self as ::runstate::operation::Parameters>::PARAMETERS,
                    description: ::runstate::description!(
                        <Self as ::runstate::decision::OperationName>::NAME,
                        #documentation,
                        #command_line,
                        Self,
                        #result
                    ),
                },
                parse: ::runstate::operation::#parse::<Self, #command>,
            };
        }
    })
}

pub fn object(input: &DeriveInput) -> Result<TokenStream> {
    let (mut is_open, mut has_default) = (false, false);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("operation")) {
        attribute.parse_nested_meta(|meta| {
            let (open, default) = (meta.path.is_ident("open"), meta.path.is_ident("default"));
            (is_open, has_default) = (is_open || open, has_default || default);
            if open || default { Ok(()) } else { Err(meta.error("unknown attribute; use `open` or `default`")) }
        })?;
    }
    let parameters = parameters(input, None)?;
    let implementation = implement_parameters(input, &parameters);
    let ident = &input.ident;
    let default = has_default.then(|| {
        let values = parameters.iter().map(|DeclaredParameter { field, attributes, .. }| {
            let (ident, value) = (&field.ident, attributes.default.as_ref());
            let value = value.map_or_else(|| quote!(::std::default::Default::default()), |value| quote!(#value));
            quote!(#ident: #value)
        });
        quote! {
            impl ::std::default::Default for #ident {
                fn default() -> Self {
                    Self { #(#values),* }
                }
            }
        }
    });
    Ok(quote! {
        #implementation

        #default

        impl ::runstate::operation::Parameter for #ident {
            fn expected() -> ::std::string::String {
                ::runstate::operation::expected_object(<Self as ::runstate::operation::Parameters>::PARAMETERS)
            }

            fn from_json(
                value: ::runstate::value::Json,
            ) -> ::std::result::Result<Self, ::runstate::operation::Mismatch> {
                ::runstate::operation::read_object(value, <Self as ::runstate::operation::Parameter>::expected, #is_open)
            }
        }
    })
}

pub fn word(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "only an enum without fields is a parameter that is one of several words",
        ));
    };
    let mut words = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new_spanned(variant, "a variant of a parameter has no fields"));
        }
        let (ident, word) = (&variant.ident, name::snake_case(&variant.ident.to_string()));
        words.push(quote!((#word, Self::#ident)));
    }
    let ident = &input.ident;
    Ok(quote! {
        impl ::runstate::operation::Parameter for #ident {
            fn expected() -> ::std::string::String {
                ::runstate::operation::expected_word::<Self>(&[#(#words),*])
            }

            fn from_json(
                value: ::runstate::value::Json,
            ) -> ::std::result::Result<Self, ::runstate::operation::Mismatch> {
                ::runstate::operation::read_word(value, &[#(#words),*])
            }
        }
    })
}

/// The parameters. The id of the entity that the operation is about is `id`, whatever the field's name is.
fn parameters<'a>(input: &'a DeriveInput, operation: Option<&str>) -> Result<Vec<DeclaredParameter<'a>>> {
    let noun = operation.and_then(|name| name.split('.').nth(1)).map(name::snake_case).unwrap_or_default();
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "parameters are the fields of a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => &fields.named,
        Fields::Unit => return Ok(Vec::new()),
        Fields::Unnamed(fields) => return Err(Error::new_spanned(fields, "parameters need names; use named fields")),
    };
    let mut parameters = Vec::new();
    for field in fields {
        let attributes = field_attributes(field)?;
        let ident = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = attributes.name.clone().unwrap_or_else(|| {
            let is_own = ident == "uuid" || attributes.is_subject && ident.strip_suffix("_id") == Some(&noun);
            let name = if is_own { "id".to_owned() } else { Case::Camel.apply(&ident) };
            parse_quote!(#name)
        });
        if text(&name).is_some_and(|name| name.value() == "commandId") {
            return Err(Error::new_spanned(field, "every command has the parameter `commandId`; choose another name"));
        }
        parameters.push(DeclaredParameter { field, attributes, name });
    }
    Ok(parameters)
}

fn field_attributes(field: &Field) -> Result<ParameterAttributes> {
    let mut attributes = ParameterAttributes::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("operation")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("subject") {
                attributes.is_subject = true;
            } else if meta.path.is_ident("skip") {
                attributes.is_skipped = true;
            } else if meta.path.is_ident("json") {
                attributes.is_json = true;
            } else if meta.path.is_ident("name") {
                attributes.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("default") {
                attributes.default = Some(meta.value()?.parse()?);
            } else {
                return Err(
                    meta.error("unknown attribute; use `subject`, `name = \"…\"`, `default = …`, `json` or `skip`")
                );
            }
            Ok(())
        })?;
    }
    Ok(attributes)
}

fn implement_parameters(input: &DeriveInput, parameters: &[DeclaredParameter<'_>]) -> TokenStream {
    let ident = &input.ident;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let mut declarations = Vec::new();
    let mut described = Vec::new();
    let mut reads = Vec::new();
    for DeclaredParameter { field, attributes, name } in parameters {
        let (ident, ty) = (&field.ident, &field.ty);
        let ParameterAttributes { is_subject, is_skipped, is_json, default, .. } = attributes;
        if *is_skipped {
            reads.push(quote!(#ident: ::std::default::Default::default()));
            continue;
        }
        let required = match (is_json, default) {
            (false, None) => quote!(!<#ty as ::runstate::operation::Parameter>::OPTIONAL),
            _ => quote!(false),
        };
        declarations.push(quote! {
            ::runstate::operation::ParameterDeclaration { name: #name, required: #required, subject: #is_subject }
        });
        let documentation = documentation(&field.attrs);
        described.push(quote!((#name, #documentation, #ty)));
        reads.push(match default {
            Some(default) => {
                quote!(#ident: reader.take::<::std::option::Option<#ty>>(#name)?.unwrap_or_else(|| #default))
            }
            None if *is_json => quote!(#ident: reader.take_json(#name)),
            None => quote!(#ident: reader.take(#name)?),
        });
    }
    quote! {
        impl #generics ::runstate::operation::Parameters for #ident #types #bounds {
            const PARAMETERS: &'static [::runstate::operation::ParameterDeclaration] = &[#(#declarations),*];

            const DESCRIBED: &'static [::runstate::operation::DescribedParameter] =
                ::runstate::described_parameters!(#(#described),*);

            fn read(
                reader: &mut ::runstate::operation::ParameterReader,
            ) -> ::std::result::Result<Self, ::runstate::operation::Mismatch> {
                let _ = &reader;
                Ok(Self { #(#reads),* })
            }
        }
    }
}

/// The text of doc comments.
pub fn documentation(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let syn::Meta::NameValue(meta) = &attribute.meta
            && let Some(text) = text(&meta.value)
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    lines.join("\n")
}

/// The text of a literal.
fn text(name: &Expr) -> Option<&LitStr> {
    match name {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text),
        _ => None,
    }
}

fn is_operation_name(name: &str) -> bool {
    (2..=3).contains(&name.split('.').count()) && name.split('.').all(name::is_camel_case_word)
}
