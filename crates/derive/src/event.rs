//! `#[derive(Event)]`: an enum of the events of a lifecycle.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, LitStr, Variant};

use crate::name;
use crate::state::{default_variant, variants};

/// Implements `LifecycleEvent`: the command of each variant, and a sample of it with the defaults of its fields.
pub fn derive_event(input: &DeriveInput) -> syn::Result<TokenStream> {
    let (ident, variants) = (&input.ident, variants(input)?);
    let mut commands = Vec::new();
    for variant in &variants {
        let (name, command) = (&variant.ident, command(variant)?);
        commands.push(quote!(Self::#name { .. } => #command));
    }
    let samples = variants.iter().map(|variant| default_variant(variant));
    Ok(quote! {
        #[automatically_derived]
        impl ::runstate::decision::LifecycleEvent for #ident {
            fn command(&self) -> &'static str {
                match self { #(#commands),* }
            }

            fn samples() -> ::std::vec::Vec<Self> {
                ::std::vec![#(#samples),*]
            }
        }
    })
}

/// The command that causes an event: `#[event(name = "…")]`, or the name of the variant in snake case.
fn command(variant: &Variant) -> syn::Result<String> {
    let mut command = name::snake_case(&variant.ident.to_string());
    for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(name::unknown_attribute(&meta.path, &["name"]));
            }
            command = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(command)
}
