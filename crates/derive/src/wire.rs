//! `#[derive(Wire)]`: the JSON of a stored type in results of operations. Names are in camel case, whatever the stored
//! names are, and the id of an entity is `id`. A value that is missing is null.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, Fields, Ident, Type};

use crate::entity::reject_generics;
use crate::field::FieldAttributes;
use crate::name::{self, Case};
use crate::operation::documentation;
use crate::state::{StateAttributes, variant_name};

/// A field of a type, as results show it.
struct WireField<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    name: String,
    documentation: String,
    form: Form,
}

enum Form {
    /// A member without which no result is read, unless its type is `Option`.
    Member,
    /// A member that may be missing. The expression is its default, if it is not the default of its type.
    Optional(Option<TokenStream>),
    /// Its members are in the place of the value.
    Flat,
    /// No result shows it.
    Hidden,
}

/// Implements serde's traits and `JsonSchema` by the functions of `schema::wire`.
pub fn derive_wire(input: &DeriveInput) -> syn::Result<TokenStream> {
    reject_generics(input)?;
    let ident = &input.ident;
    let explained = documentation(&input.attrs);
    let is_state = input.attrs.iter().any(|attribute| attribute.path().is_ident("state"));
    match &input.data {
        Data::Struct(data) => {
            let Fields::Named(_) = &data.fields else {
                return Err(syn::Error::new_spanned(ident, "this derive needs named fields"));
            };
            let fields = fields(&data.fields, None)?;
            let write = write(ident, None, &fields, |field| quote!(&self.#field));
            let read = read(&quote!(#ident), &fields).map(|read| quote!(::core::result::Result::Ok(#read)));
            let parts = parts(&fields);
            let schema = quote!(__wire::object_schema(generator, #explained, &[#(#parts),*]));
            Ok(implement(ident, &write, read.as_ref(), &schema))
        }
        Data::Enum(data) if !is_state && data.variants.iter().all(|variant| variant.fields.is_empty()) => {
            let words = data.variants.iter().map(|variant| {
                let name = variant_name(variant, "entity", "rename")?;
                Ok((&variant.ident, name, documentation(&variant.attrs)))
            });
            Ok(implement_words(ident, &explained, &words.collect::<syn::Result<Vec<_>>>()?))
        }
        Data::Enum(data) => {
            let tag = StateAttributes::parse(input)?.tag;
            let tag = Case::Camel.apply(tag.rsplit('.').next().unwrap_or_default());
            let (mut names, mut writes, mut reads, mut described) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for variant in &data.variants {
                let (variant_ident, explained) = (&variant.ident, documentation(&variant.attrs));
                let name = variant_name(variant, "state", "name")?;
                if let Fields::Unnamed(_) = &variant.fields {
                    return Err(syn::Error::new_spanned(variant, "this derive needs named fields"));
                }
                let fields = fields(&variant.fields, Some(&tag))?;
                let shown = fields.iter().filter(|field| !matches!(field.form, Form::Hidden));
                let bindings = shown.map(|WireField { ident, .. }| {
                    let binding = binding(ident);
                    quote!(#ident: #binding)
                });
                let bindings = Vec::from_iter(bindings);
                let write = write(ident, Some((&tag, &name)), &fields, |field| binding(field).into_token_stream());
                writes.push(quote!(Self::#variant_ident { #(#bindings,)* .. } => { #write }));
                reads.push(read(&quote!(#ident::#variant_ident), &fields));
                let parts = parts(&fields);
                described.push(quote! {
                    __wire::WireVariant { name: #name, documentation: #explained, parts: &[#(#parts),*] }
                });
                names.push(name);
            }
            let read = Option::<Vec<_>>::from_iter(reads).map(|reads| {
                let index = choose(&reads);
                quote!(::core::result::Result::Ok(match members.variant(#tag, &[#(#names),*])? { #index }))
            });
            let schema = quote!(__wire::tagged_schema(generator, #explained, #tag, &[#(#described),*]));
            Ok(implement(ident, &quote!(match self { #(#writes)* }), read.as_ref(), &schema))
        }
        Data::Union(_) => Err(syn::Error::new_spanned(ident, "this derive needs a struct or an enum")),
    }
}

/// The arms of a match of an index; the last expression is for all others.
fn choose(expressions: &[TokenStream]) -> TokenStream {
    let last = expressions.len().saturating_sub(1);
    let arms = expressions.iter().enumerate().map(|(index, expression)| {
        if index == last { quote!(_ => #expression,) } else { quote!(#index => #expression,) }
    });
    quote!(#(#arms)*)
}

/// Implements the traits for an enum without data, by the words of its variants and their documentation.
pub fn implement_words(ident: &Ident, explained: &str, words: &[(&Ident, String, String)]) -> TokenStream {
    let names = Vec::from_iter(words.iter().map(|(_, name, _)| name));
    let writes = words.iter().map(|(variant, name, _)| quote!(Self::#variant => #name));
    let reads = choose(&Vec::from_iter(words.iter().map(|(variant, ..)| quote!(Self::#variant))));
    let described = words.iter().map(|(_, name, documentation)| {
        quote!(__wire::WireVariant { name: #name, documentation: #documentation, parts: &[] })
    });
    let write = quote!(::serde::Serializer::serialize_str(serializer, match self { #(#writes),* }));
    let read = quote!(::core::result::Result::Ok(match __wire::read_word(deserializer, &[#(#names),*])? { #reads }));
    implement_by(ident, &write, Some(&read), &quote!(__wire::words_schema(#explained, &[#(#described),*])))
}

/// Implements the traits. `read`: an expression of the `members` of an object.
fn implement(ident: &Ident, write: &TokenStream, read: Option<&TokenStream>, schema: &TokenStream) -> TokenStream {
    let read = read.map(|expression| {
        quote! {
            // Not generic, so it is compiled once.
            fn from_members(
                members: &__wire::WireMembers,
            ) -> ::core::result::Result<#ident, ::runstate::value::DeserializeError> {
                #expression
            }
            __wire::read(deserializer, from_members)
        }
    });
    implement_by(ident, write, read.as_ref(), schema)
}

fn implement_by(ident: &Ident, write: &TokenStream, read: Option<&TokenStream>, schema: &TokenStream) -> TokenStream {
    let name = ident.to_string();
    let deserialize = read.map(|read| {
        quote! {
            #[automatically_derived]
            impl<'de> ::serde::Deserialize<'de> for #ident {
                fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                    use ::runstate::schema::wire as __wire;
                    #read
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::serde::Serialize for #ident {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                #write
            }
        }

        #deserialize

        #[automatically_derived]
        impl ::schemars::JsonSchema for #ident {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                ::std::borrow::Cow::Borrowed(#name)
            }

            fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                use ::runstate::schema::wire as __wire;
                _ = &generator;
                #schema
            }
        }
    }
}

/// The name of a variant's field in the code that writes it.
fn binding(field: &Ident) -> Ident {
    format_ident!("__{}", field.unraw())
}

/// Writes an object of the fields, after the member `tag` if there is one.
fn write(
    ident: &Ident,
    tag: Option<(&str, &str)>,
    fields: &[WireField<'_>],
    value: impl Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let is_flat = fields.iter().any(|field| matches!(field.form, Form::Flat));
    let entry = |name: &str, value: &TokenStream| match is_flat {
        true => quote!(::serde::ser::SerializeMap::serialize_entry(&mut members, #name, #value)?;),
        false => quote!(::serde::ser::SerializeStruct::serialize_field(&mut members, #name, #value)?;),
    };
    let tag = tag.map(|(tag, name)| entry(tag, &name.to_token_stream()));
    let mut count = usize::from(tag.is_some());
    let entries = fields.iter().filter_map(|field| {
        let value = value(field.ident);
        count += 1;
        match field.form {
            Form::Hidden => None,
            Form::Flat => Some(quote!(::runstate::schema::wire::write_flat(&mut members, #value)?;)),
            Form::Member | Form::Optional(_) => Some(entry(&field.name, &value)),
        }
    });
    let entries = Vec::from_iter(entries);
    let name = ident.to_string();
    let (begin, end) = match is_flat {
        true => (quote!(serialize_map(serializer, ::core::option::Option::None)), quote!(SerializeMap)),
        false => (quote!(serialize_struct(serializer, #name, #count)), quote!(SerializeStruct)),
    };
    quote! {
        let mut members = ::serde::Serializer::#begin?;
        #tag
        #(#entries)*
        ::serde::ser::#end::end(members)
    }
}

/// Reads a value by its constructor from `members`; `None` if a field is hidden.
fn read(constructor: &TokenStream, fields: &[WireField<'_>]) -> Option<TokenStream> {
    let fields = fields.iter().map(|WireField { ident, name, form, .. }| {
        let value = match form {
            Form::Member => quote!(members.take(#name)?),
            Form::Optional(None) => quote!(members.take_or(#name, ::core::default::Default::default)?),
            Form::Optional(Some(default)) => quote!(members.take_or(#name, #default)?),
            Form::Flat => quote!(members.flat()?),
            Form::Hidden => return None,
        };
        Some(quote!(#ident: #value))
    });
    let fields = Option::<Vec<_>>::from_iter(fields)?;
    Some(quote!(#constructor { #(#fields),* }))
}

/// The parts of the table from which a schema is made.
fn parts(fields: &[WireField<'_>]) -> Vec<TokenStream> {
    let part = |WireField { ty, name, documentation, form, .. }: &WireField<'_>| {
        let (is_optional, default) = match form {
            Form::Hidden => return None,
            Form::Flat => return Some(quote!(__wire::WirePart::Flat(<#ty as ::schemars::JsonSchema>::json_schema))),
            Form::Member => (is_option(ty), quote!(::core::option::Option::None)),
            Form::Optional(default) => {
                let default = default.clone().unwrap_or_else(|| quote!(<#ty as ::core::default::Default>::default));
                (true, quote!(::core::option::Option::Some(|| __wire::default_json(#default()))))
            }
        };
        Some(quote! {
            __wire::WirePart::Member(__wire::WireMember {
                name: #name,
                documentation: #documentation,
                is_optional: #is_optional,
                default: #default,
                schema: __wire::reference::<#ty>,
            })
        })
    };
    fields.iter().filter_map(part).collect()
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Option"))
}

/// The fields. `tag`: the name of a member beside them.
fn fields<'a>(fields: &'a Fields, tag: Option<&str>) -> syn::Result<Vec<WireField<'a>>> {
    let mut names: Vec<String> = tag.map(str::to_owned).into_iter().collect();
    let fields = fields.iter().filter_map(|field| Some((field, field.ident.as_ref()?)));
    let fields = fields.map(|(field, ident)| {
        let (attributes, ty) = (FieldAttributes::parse(field)?, &field.ty);
        let plain = name::plain(ident);
        let is_id = plain == "uuid" || attributes.id && plain != "name";
        let name = if is_id { "id".to_owned() } else { Case::Camel.apply(&plain) };
        let form = if attributes.hidden {
            Form::Hidden
        } else if attributes.flat {
            Form::Flat
        } else if names.contains(&name) {
            return name::error(ident.span(), format!("another member is `{name}` in results too"));
        } else if is_id {
            Form::Member
        } else if let Some(literal) = attributes.default_literal() {
            Form::Optional(Some(quote! {{
                fn default() -> #ty {
                    let missing = ::runstate::value::Document::new();
                    ::runstate::schema::entity::read_field_or_literal(&missing, #name, #literal).unwrap_or_default()
                }
                default
            }}))
        } else if attributes.has_default() || attributes.omit_default {
            Form::Optional(None)
        } else {
            Form::Member
        };
        if matches!(form, Form::Member | Form::Optional(_)) {
            names.push(name.clone());
        }
        Ok(WireField { ident, ty, name, documentation: documentation(&field.attrs), form })
    });
    fields.collect()
}
