//! `#[derive(Wire)]`: the JSON of a stored type in results of operations. Names are in camel case, whatever the stored
//! names are, and the id of an entity is `id`. A value that is missing is null.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields};

use crate::entity::reject_generics;
use crate::field::FieldAttributes;
use crate::name::Case;
use crate::state::{StateAttributes, variant_name};

/// Implements serde's traits and `JsonSchema` by those of a type with the same fields and serde's attributes.
pub fn derive_wire(input: &DeriveInput) -> syn::Result<TokenStream> {
    reject_generics(input)?;
    let ident = &input.ident;
    let name = ident.to_string();
    let documentation = documentation(&input.attrs);
    let mut is_readable = true;
    let is_state = input.attrs.iter().any(|attribute| attribute.path().is_ident("state"));
    let body = match &input.data {
        Data::Struct(data) => {
            let Fields::Named(_) = &data.fields else {
                return Err(syn::Error::new_spanned(ident, "this derive needs named fields"));
            };
            let fields = fields(&data.fields, &mut is_readable)?;
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
                    Fields::Named(_) => Some(fields(&variant.fields, &mut is_readable)).transpose()?,
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
    let (derive, deserialize) = match is_readable {
        true => (
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
        false => (None, None),
    };
    Ok(quote! {
        const _: () = {
            #documentation
            #[derive(::serde::Serialize, #derive ::schemars::JsonSchema)]
            #[serde(remote = #name, rename = #name)]
            #[allow(dead_code)]
            #body

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

/// The fields with serde's attributes. A hidden one is not written, and a type that has one is not read.
fn fields(fields: &Fields, is_readable: &mut bool) -> syn::Result<TokenStream> {
    let fields = fields.iter().map(|field| {
        let attributes = FieldAttributes::parse(field)?;
        let (documentation, ident, ty) = (documentation(&field.attrs), &field.ident, &field.ty);
        *is_readable &= !attributes.hidden;
        let serde = if attributes.hidden {
            quote!(#[serde(skip)])
        } else if attributes.flat {
            quote!(#[serde(flatten)])
        } else if ident.as_ref().is_some_and(|ident| ident == "uuid" || attributes.id && ident != "name") {
            quote!(#[serde(rename = "id")])
        } else if attributes.has_default() || attributes.omit_default {
            quote!(#[serde(default)])
        } else {
            quote!()
        };
        Ok(quote!(#documentation #serde #ident: #ty))
    });
    let fields = fields.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!(#(#fields),*))
}

fn documentation(attributes: &[Attribute]) -> TokenStream {
    let documentation = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    quote!(#(#documentation)*)
}
