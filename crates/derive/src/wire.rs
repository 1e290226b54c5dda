//! `#[derive(Wire)]`: the JSON of a stored type in results of operations. Names are in camel case, whatever the stored
//! names are, and the id of an entity is `id`. A value that is missing is null.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields};

use crate::entity::reject_generics;
use crate::field::FieldAttributes;
use crate::name::{self, Case};
use crate::state::{StateAttributes, variant_name};

/// What the fields of a type mean for the whole derive.
#[derive(Default)]
struct WireParts {
    /// A type with a hidden field is not read.
    has_hidden: bool,
    /// The functions that return the defaults of fields.
    defaults: Vec<TokenStream>,
}

/// Implements serde's traits and `JsonSchema` by those of a type with the same fields and serde's attributes.
pub fn derive_wire(input: &DeriveInput) -> syn::Result<TokenStream> {
    reject_generics(input)?;
    let ident = &input.ident;
    let name = ident.to_string();
    let documentation = documentation(&input.attrs);
    let mut parts = WireParts::default();
    let is_state = input.attrs.iter().any(|attribute| attribute.path().is_ident("state"));
    let body = match &input.data {
        Data::Struct(data) => {
            let Fields::Named(_) = &data.fields else {
                return Err(syn::Error::new_spanned(ident, "this derive needs named fields"));
            };
            let fields = fields(&data.fields, None, &mut parts)?;
            quote!(#[serde(rename_all = "camelCase")] struct Wire { #fields })
        }
        Data::Enum(data) if !is_state && data.variants.iter().all(|variant| variant.fields.is_empty()) => {
            let variants = data.variants.iter().map(|variant| {
                let (documentation, ident) = (self::documentation(&variant.attrs), &variant.ident);
                let name = variant_name(variant, "entity", "rename")?;
                Ok(quote!(#documentation #[serde(rename = #name)] #ident))
            });
            let variants = variants.collect::<syn::Result<Vec<_>>>()?;
            quote!(enum Wire { #(#variants),* })
        }
        Data::Enum(data) => {
            let tag = StateAttributes::parse(input)?.tag;
            let tag = Case::Camel.apply(tag.rsplit('.').next().unwrap_or_default());
            let variants = data.variants.iter().map(|variant| {
                let (documentation, ident) = (self::documentation(&variant.attrs), &variant.ident);
                let name = variant_name(variant, "state", "name")?;
                let fields = match &variant.fields {
                    Fields::Unit => None,
                    Fields::Named(_) => Some(fields(&variant.fields, Some(&tag), &mut parts)).transpose()?,
                    Fields::Unnamed(_) => {
                        return Err(syn::Error::new_spanned(variant, "this derive needs named fields"));
                    }
                };
                let fields = fields.map(|fields| quote!({ #fields }));
                Ok(quote!(#documentation #[serde(rename = #name, rename_all = "camelCase")] #ident #fields))
            });
            let variants = variants.collect::<syn::Result<Vec<_>>>()?;
            quote!(#[serde(tag = #tag)] enum Wire { #(#variants),* })
        }
        Data::Union(_) => return Err(syn::Error::new_spanned(ident, "this derive needs a struct or an enum")),
    };
    let (derive, deserialize) = match parts.has_hidden {
        false => (
            Some(quote!(::serde::Deserialize,)),
            Some(quote! {
                #[automatically_derived]
                impl<'de> ::serde::Deserialize<'de> for #ident {
                    fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::core::result::Result<Self, D::Error> {
                        Wire::deserialize(deserializer)
                    }
                }
            }),
        ),
        true => (None, None),
    };
    let defaults = parts.defaults;
    Ok(quote! {
        const _: () = {
            #documentation
            #[derive(::serde::Serialize, #derive ::schemars::JsonSchema)]
            #[serde(remote = #name, rename = #name)]
            #[allow(dead_code)]
            #body

            #(#defaults)*

            #[automatically_derived]
            impl ::serde::Serialize for #ident {
                fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                    Wire::serialize(self, serializer)
                }
            }

            #deserialize

            #[automatically_derived]
            impl ::schemars::JsonSchema for #ident {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    <Wire as ::schemars::JsonSchema>::schema_name()
                }

                fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                    <Wire as ::schemars::JsonSchema>::json_schema(generator)
                }
            }
        };
    })
}

/// The fields with serde's attributes. A hidden one is not written. `tag`: the name of a member beside them.
fn fields(fields: &Fields, tag: Option<&str>, parts: &mut WireParts) -> syn::Result<TokenStream> {
    let mut names: Vec<String> = tag.map(str::to_owned).into_iter().collect();
    let fields = fields.iter().map(|field| {
        let attributes = FieldAttributes::parse(field)?;
        let (documentation, ident, ty) = (documentation(&field.attrs), &field.ident, &field.ty);
        let plain = ident.as_ref().map(name::plain).unwrap_or_default();
        let is_id = plain == "uuid" || attributes.id && plain != "name";
        let name = if is_id { "id".to_owned() } else { Case::Camel.apply(&plain) };
        parts.has_hidden |= attributes.hidden;
        let serde = if attributes.hidden {
            quote!(#[serde(skip)])
        } else if attributes.flat {
            quote!(#[serde(flatten)])
        } else if names.contains(&name) {
            return name::error(field.ident.span(), format!("another member is `{name}` in results too"));
        } else if is_id {
            quote!(#[serde(rename = "id")])
        } else if let Some(literal) = attributes.default_literal() {
            let function = format_ident!("default_{}", parts.defaults.len());
            let path = function.to_string();
            parts.defaults.push(quote! {
                fn #function() -> #ty {
                    let missing = ::runstate::value::Document::new();
                    ::runstate::schema::entity::read_field_or_literal(&missing, #name, #literal).unwrap_or_default()
                }
            });
            quote!(#[serde(default = #path)])
        } else if attributes.has_default() || attributes.omit_default {
            quote!(#[serde(default)])
        } else {
            quote!()
        };
        if !(attributes.hidden || attributes.flat) {
            names.push(name);
        }
        Ok(quote!(#documentation #serde #ident: #ty))
    });
    let fields = fields.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!(#(#fields),*))
}

fn documentation(attributes: &[Attribute]) -> TokenStream {
    let documentation = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    quote!(#(#documentation)*)
}
