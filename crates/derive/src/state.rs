//! `#[derive(State)]`: an enum whose variants own fields of a document. `#[derive(FieldType)]`: an enum without data,
//! stored as text.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Ident, LitStr, Variant};

use crate::entity::{declaration, reject_generics};
use crate::field::StoredField;
use crate::name::{self, Case};
use crate::operation::documentation;
use crate::wire;

const STATE_ATTRIBUTES: &[&str] = &["tag", "rename_all", "status"];
const VARIANT_ATTRIBUTES: &[&str] = &["name", "marker"];

/// `#[state(…)]` on an enum.
pub struct StateAttributes {
    /// The path of the field that names the variant.
    pub tag: String,
    case: Case,
    /// The name of the enum that has the variants without data.
    status: Option<Ident>,
}

/// A variant that owns fields.
struct StoredVariant<'a> {
    variant: &'a Variant,
    fields: Vec<StoredField>,
    stored_as: StoredAs,
}

/// How a document names a variant.
enum StoredAs {
    /// By this value of the tag.
    Name(String),
    /// By this field, which is true. The tag is one of the variant's fields.
    Marker(String),
}

/// Implements `Fields` for an enum whose variants own fields.
pub fn derive_state(input: &DeriveInput) -> syn::Result<TokenStream> {
    let attributes = StateAttributes::parse(input)?;
    let variants = variants(input)?;
    let variants = variants
        .iter()
        .map(|variant| StoredVariant::parse(variant, attributes.case))
        .collect::<syn::Result<Vec<_>>>()?;
    let (ident, tag) = (&input.ident, &attributes.tag);
    let mut names: Vec<&String> = Vec::new();
    for variant in &variants {
        let StoredAs::Name(name) = &variant.stored_as else { continue };
        if names.contains(&name) {
            return Err(syn::Error::new_spanned(
                &variant.variant.ident,
                format!("another variant is stored as `{name}` too"),
            ));
        }
        names.push(name);
    }
    let mut parts = vec![quote!(
        ::runstate::schema::declaration::Part::field::<::std::string::String>(::runstate::schema::Field::text(#tag).one_of(&[#(#names),*]))
    )];
    parts.extend(variants.iter().flat_map(StoredVariant::parts));
    let declaration = declaration(&parts);
    let writes = variants.iter().map(|variant| variant.write(tag));
    let marked = variants.iter().filter_map(|variant| match &variant.stored_as {
        StoredAs::Marker(marker) => Some((marker, variant.read())),
        StoredAs::Name(_) => None,
    });
    let marked = marked.map(|(marker, read)| {
        quote!(if ::runstate::schema::entity::read_field_or_default::<bool>(document, #marker)? { return ::core::result::Result::Ok(#read); })
    });
    let named = variants.iter().filter_map(|variant| match &variant.stored_as {
        StoredAs::Name(name) => Some((name, variant.read())),
        StoredAs::Marker(_) => None,
    });
    let named = named.map(|(name, read)| quote!(#name => #read,));
    let status = attributes.status.as_ref().map(|status| declare_status(input, status, &variants)).transpose()?;
    Ok(quote! {
        #status

        #[automatically_derived]
        impl ::runstate::schema::Fields for #ident {
            #declaration

            fn write_fields(
                &self,
                document: &mut ::runstate::value::Document,
            ) -> ::core::result::Result<(), ::runstate::schema::Violation> {
                match self { #(#writes)* }
                ::core::result::Result::Ok(())
            }

            fn read_fields(
                document: &::runstate::value::Document,
            ) -> ::core::result::Result<Self, ::runstate::schema::Violation> {
                #(#marked)*
                ::core::result::Result::Ok(match ::runstate::schema::entity::read_tag(document, #tag)? {
                    #(#named)*
                    _ => return ::core::result::Result::Err(::runstate::schema::entity::unknown_tag(#tag, &[#(#names),*])),
                })
            }
        }
    })
}

/// Declares the enum of the variants without data, and implements `LifecycleState`.
fn declare_status(input: &DeriveInput, status: &Ident, variants: &[StoredVariant<'_>]) -> syn::Result<TokenStream> {
    let renamed = |variant: &&StoredVariant<'_>| variant.variant.attrs.iter().any(|one| one.path().is_ident("state"));
    if let Some(StoredVariant { variant, .. }) = variants.iter().find(renamed) {
        let message = "the variants of a state with a `status` are stored by their names in snake case";
        return Err(syn::Error::new_spanned(&variant.ident, message));
    }
    let (visibility, state, documented) = (&input.vis, &input.ident, documentation(&input.attrs));
    let subject = documented.split('.').next().filter(|sentence| !sentence.is_empty()).unwrap_or("Status");
    let documentation = format!("{subject}, without its data.");
    let names: Vec<&Ident> = variants.iter().map(|variant| &variant.variant.ident).collect();
    let words = variants.iter().map(|StoredVariant { variant, .. }| {
        (&variant.ident, name::snake_case(&variant.ident.to_string()), self::documentation(&variant.attrs))
    });
    let wire = wire::implement_words(status, &documentation, &words.collect::<Vec<_>>());
    let documented = variants.iter().map(|StoredVariant { variant, .. }| {
        let documentation = variant.attrs.iter().filter(|attribute: &&Attribute| attribute.path().is_ident("doc"));
        let name = &variant.ident;
        quote!(#(#documentation)* #name)
    });
    let samples = variants.iter().map(|variant| default_variant(variant.variant));
    Ok(quote! {
        #[doc = #documentation]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ::runstate::schema::FieldType, ::runstate::operation::Parameter,
        )]
        #visibility enum #status { #(#documented),* }

        #wire

        impl #state {
            /// The status.
            pub fn status(&self) -> #status {
                match self { #(Self::#names { .. } => #status::#names),* }
            }
        }

        #[automatically_derived]
        impl ::runstate::decision::LifecycleState for #state {
            fn name(&self) -> &'static str {
                self.status().as_str()
            }

            fn samples() -> ::std::vec::Vec<Self> {
                ::std::vec![#(#samples),*]
            }
        }
    })
}

/// The expression of a variant whose fields have their defaults.
pub fn default_variant(variant: &Variant) -> TokenStream {
    let name = &variant.ident;
    let members = variant.fields.members();
    quote!(Self::#name { #(#members: ::core::default::Default::default()),* })
}

/// The variants of an enum without generic parameters.
pub fn variants(input: &DeriveInput) -> syn::Result<Vec<&Variant>> {
    reject_generics(input)?;
    match &input.data {
        Data::Enum(data) => Ok(data.variants.iter().collect()),
        _ => Err(syn::Error::new_spanned(
            &input.ident,
            "this derive needs an enum; a struct derives `Entity` or `Fields`",
        )),
    }
}

impl StateAttributes {
    /// Reads `#[state(…)]`.
    pub fn parse(input: &DeriveInput) -> syn::Result<Self> {
        let mut attributes = Self { tag: "status".to_owned(), case: Case::Snake, status: None };
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("tag") {
                    attributes.tag = name::stored_path(&meta.value()?.parse()?)?;
                } else if meta.path.is_ident("rename_all") {
                    attributes.case = Case::parse(&meta)?;
                } else if meta.path.is_ident("status") {
                    attributes.status = Some(meta.value()?.parse()?);
                } else {
                    return Err(name::unknown_attribute(&meta.path, STATE_ATTRIBUTES));
                }
                Ok(())
            })?;
        }
        Ok(attributes)
    }
}

impl<'a> StoredVariant<'a> {
    fn parse(variant: &'a Variant, case: Case) -> syn::Result<Self> {
        let mut stored_as = StoredAs::Name(name::snake_case(&variant.ident.to_string()));
        for attribute in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("state")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    stored_as = StoredAs::Name(meta.value()?.parse::<LitStr>()?.value());
                } else if meta.path.is_ident("marker") {
                    stored_as = StoredAs::Marker(name::stored_path(&meta.value()?.parse()?)?);
                } else {
                    return Err(name::unknown_attribute(&meta.path, VARIANT_ATTRIBUTES));
                }
                Ok(())
            })?;
        }
        let fields = (0..)
            .zip(&variant.fields)
            .map(|(index, field)| StoredField::parse(field, index, case, None))
            .collect::<syn::Result<Vec<_>>>()?;
        fields.iter().try_for_each(StoredField::reject_entity_attributes)?;
        Ok(Self { variant, fields, stored_as })
    }

    /// The declaration of its fields. Other variants lack them.
    fn parts(&self) -> Vec<TokenStream> {
        let fields = self.fields.iter().filter_map(StoredField::part).map(|part| quote!(#part.optional()));
        let marker = match &self.stored_as {
            StoredAs::Marker(marker) => Some(quote!(
                ::runstate::schema::declaration::Part::field::<bool>(::runstate::schema::Field::bool(#marker)).optional()
            )),
            StoredAs::Name(_) => None,
        };
        fields.chain(marker).collect()
    }

    fn write(&self, tag: &str) -> TokenStream {
        let ident = &self.variant.ident;
        let bindings = self.fields.iter().map(|field| {
            let (member, variable) = (&field.member, field.variable());
            quote!(#member: #variable)
        });
        let name = match &self.stored_as {
            StoredAs::Name(name) => quote!(::runstate::schema::entity::insert(document, #tag, #name.into());),
            StoredAs::Marker(marker) => quote!(::runstate::schema::entity::insert(document, #marker, true.into());),
        };
        let fields = self.fields.iter().map(|field| {
            let variable = field.variable();
            field.write(&quote!(#variable))
        });
        quote!(Self::#ident { #(#bindings),* } => { #name #(#fields)* })
    }

    fn read(&self) -> TokenStream {
        let ident = &self.variant.ident;
        let fields = self.fields.iter().map(|field| {
            let (member, value) = (&field.member, field.read());
            quote!(#member: #value)
        });
        quote!(Self::#ident { #(#fields),* })
    }
}

/// The stored name of a variant: that of `#[attribute(key = "…")]`, or else its name in snake case.
pub fn variant_name(variant: &Variant, attribute: &str, key: &str) -> syn::Result<String> {
    let mut name = name::snake_case(&variant.ident.to_string());
    for attribute in variant.attrs.iter().filter(|one| one.path().is_ident(attribute)) {
        attribute.parse_nested_meta(|meta| match meta.path.is_ident(key) {
            true => {
                name = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            }
            false => Err(name::unknown_attribute(&meta.path, &[key])),
        })?;
    }
    Ok(name)
}

/// Implements `FieldType` for an enum without data, with its names as `ALL` and `as_str`.
pub fn derive_field_type(input: &DeriveInput) -> syn::Result<TokenStream> {
    let ident = &input.ident;
    let mut names: Vec<String> = Vec::new();
    let mut idents = Vec::new();
    for variant in variants(input)? {
        if !variant.fields.is_empty() {
            let message = "`FieldType` is for an enum without data; an enum whose variants own fields derives `State`";
            return Err(syn::Error::new_spanned(variant, message));
        }
        let name = variant_name(variant, "entity", "rename")?;
        if names.contains(&name) {
            return Err(syn::Error::new_spanned(variant, format!("another variant is stored as `{name}` too")));
        }
        names.push(name);
        idents.push(&variant.ident);
    }
    Ok(quote! {
        #[automatically_derived]
        impl #ident {
            /// All values, as stored.
            pub const ALL: &'static [&'static str] = &[#(#names),*];

            /// The value as stored.
            pub const fn as_str(self) -> &'static str {
                match self { #(Self::#idents => #names),* }
            }
        }

        #[automatically_derived]
        impl ::runstate::schema::FieldType for #ident {
            const KIND: ::runstate::schema::Kind = ::runstate::schema::Kind::Text;
            const VALUES: &'static [&'static str] = Self::ALL;

            fn to_json(&self) -> ::core::result::Result<::runstate::value::Json, ::runstate::schema::Violation> {
                ::core::result::Result::Ok(Self::as_str(*self).into())
            }

            fn from_json(value: &::runstate::value::Json) -> ::core::result::Result<Self, ::runstate::schema::Violation> {
                match value.as_str() {
                    #(::core::option::Option::Some(#names) => ::core::result::Result::Ok(Self::#idents),)*
                    _ => ::core::result::Result::Err(::runstate::schema::entity::unknown_tag("", Self::ALL)),
                }
            }
        }
    })
}
