//! `#[derive(Entity)]` and `#[derive(Fields)]`: a struct and its stored fields.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Data, DeriveInput, Expr, Ident, LitInt, LitStr, Path};

use crate::field::StoredField;
use crate::index::{IndexAttribute, IndexField, TtlAttribute, parse_condition};
use crate::name::{self, Case};

const ENTITY_ATTRIBUTES: &[&str] = &[
    "collection",
    "version",
    "insert_only",
    "detached",
    "partition_by_month",
    "views",
    "rename_all",
    "inside",
    "upgrade",
    "noun",
    "filters",
    "when",
    "show",
    "list",
];
const SERIES_FIELDS: &[&str] = &["time", "meta"];
/// How a query of one document differs from what the noun gives, and how a list does.
const SHOW_ATTRIBUTES: &[&str] = &["name", "cli", "row", "complete"];
const LIST_ATTRIBUTES: &[&str] = &["name", "cli", "row", "sort"];
const FIELDS_ATTRIBUTES: &[&str] = &["rename_all", "inside", "upgrade"];

/// A struct with stored fields.
pub struct Struct<'a> {
    /// The struct.
    pub input: &'a DeriveInput,
    /// Its fields.
    pub fields: Vec<StoredField>,
    attributes: StructAttributes,
}

/// `#[entity(…)]` on a struct.
#[derive(Default)]
struct StructAttributes {
    collection: Option<LitStr>,
    version: Option<LitInt>,
    insert_only: bool,
    /// The fields with the time and the source of a row of a time series.
    detached: Option<[Ident; 2]>,
    /// The field with the day whose month selects the partition.
    partition_by_month: Option<Ident>,
    /// The materialized views.
    views: Vec<Path>,
    rename_all: Option<Case>,
    /// The object that holds all fields without a path of their own.
    inside: Option<LitStr>,
    /// The word for an entity in the names of its queries.
    noun: Option<LitStr>,
    /// The fields by which its list can be filtered: the parameter, and the field if it has another name.
    filters: Vec<(Ident, Option<LitStr>)>,
    /// The condition of the documents that its queries find.
    when: Option<LitStr>,
    show: QueryAttributes,
    list: QueryAttributes,
    /// A function that corrects a value read from a document of an older version.
    upgrade: Option<Path>,
}

/// `#[entity(show(…), list(…))]`.
#[derive(Default)]
struct QueryAttributes {
    /// The name of the operation.
    name: Option<LitStr>,
    /// Its words on the command line.
    cli: Option<LitStr>,
    /// The fields that it returns of a document.
    row: Option<Path>,
    /// The function that adds to it what other documents have.
    complete: Option<Path>,
    /// The order by default.
    sort: Option<LitStr>,
}

/// Implements `Fields` and `Entity`.
pub fn derive_entity(input: &DeriveInput) -> syn::Result<TokenStream> {
    let entity = Struct::parse(input, ENTITY_ATTRIBUTES)?;
    let (fields, mut collection) = (entity.fields_impl(), entity.collection()?);
    let name = &input.ident;
    let (queries, checks) = (entity.queries(&mut collection.checks)?, collection.checks);
    let state = entity.state()?;
    let collection = collection.declaration;
    let updated = entity.fields.iter().find(|field| field.attributes.updated).map(|StoredField { member, .. }| {
        quote! {
            fn set_updated(&mut self, now: ::runstate::time::Timestamp) {
                self.#member = now;
            }
        }
    });
    let id = &entity.id()?.member;
    let noun = entity.noun();
    Ok(quote! {
        #fields
        #[automatically_derived]
        impl ::runstate::schema::Entity for #name {
            const COLLECTION: ::runstate::schema::Collection = #collection;

            #noun

            fn id(&self) -> &str {
                ::core::convert::AsRef::<str>::as_ref(&self.#id)
            }

            #updated
        }
        #state
        #queries
        #(#checks)*
    })
}

/// Implements `Fields`.
pub fn derive_fields(input: &DeriveInput) -> syn::Result<TokenStream> {
    let object = Struct::parse(input, FIELDS_ATTRIBUTES)?;
    object.fields.iter().try_for_each(StoredField::reject_entity_attributes)?;
    Ok(object.fields_impl())
}

/// The items that declare `FIELDS` from the parts of a type.
pub fn declaration(parts: &[TokenStream]) -> TokenStream {
    quote! {
        const FIELDS: &'static [::runstate::schema::Field] = {
            const PARTS: &[::runstate::schema::declaration::Part] = &[#(#parts),*];
            const SIZE: ::runstate::schema::declaration::DeclarationSize = ::runstate::schema::declaration::DeclarationSize::new(PARTS);
            const NAMES: &[u8] = &SIZE.names::<{ SIZE.name_bytes }>(PARTS);
            const DECLARATION: ::runstate::schema::declaration::Declaration<{ SIZE.fields }> = ::runstate::schema::declaration::Declaration::new(PARTS, NAMES);
            DECLARATION.fields()
        };
    }
}

impl<'a> Struct<'a> {
    fn parse(input: &'a DeriveInput, allowed: &[&str]) -> syn::Result<Self> {
        reject_generics(input)?;
        let Data::Struct(data) = &input.data else {
            return Err(syn::Error::new_spanned(
                &input.ident,
                "this derive needs a struct; an enum derives `State` or `FieldType`",
            ));
        };
        if !matches!(data.fields, syn::Fields::Named(_)) {
            return Err(syn::Error::new_spanned(&input.ident, "this derive needs a struct with named fields"));
        }
        let mut attributes = StructAttributes::default();
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("entity")) {
            attribute.parse_nested_meta(|meta| attributes.parse_one(&meta, allowed))?;
        }
        let inside = attributes.inside.as_ref().map(name::stored_path).transpose()?;
        let case = attributes.case();
        let fields = (0..)
            .zip(&data.fields)
            .map(|(index, field)| StoredField::parse(field, index, case, inside.as_deref()))
            .collect::<syn::Result<Vec<_>>>()?;
        let entity = Self { input, fields, attributes };
        entity.reject_twins()?;
        Ok(entity)
    }

    /// Two fields of a struct cannot be stored at one path.
    fn reject_twins(&self) -> syn::Result<()> {
        let stored: Vec<&StoredField> = self.fields.iter().filter(|field| !field.attributes.flat).collect();
        for (index, field) in stored.iter().enumerate() {
            if stored[..index].iter().any(|earlier| earlier.path == field.path) {
                return name::error(field.span(), format!("another field is stored as `{}` too", field.path));
            }
        }
        Ok(())
    }

    fn fields_impl(&self) -> TokenStream {
        let name = &self.input.ident;
        let declaration = declaration(&self.fields.iter().filter_map(StoredField::part).collect::<Vec<_>>());
        let writes = self.fields.iter().map(|field| {
            let member = &field.member;
            field.write(&quote!((&self.#member)))
        });
        let reads = self.fields.iter().map(|field| {
            let (member, value) = (&field.member, field.read());
            quote!(#member: #value)
        });
        let entity = quote!(Self { #(#reads),* });
        let entity = match &self.attributes.upgrade {
            Some(upgrade) => quote!(#upgrade(#entity)),
            None => entity,
        };
        let id = self.fields.iter().find(|field| field.attributes.id && field.attributes.has_default());
        let set_missing_id = id.map(|StoredField { member, .. }| {
            quote! {
                fn set_missing_id(&mut self, id: &str) {
                    if ::core::convert::AsRef::<str>::as_ref(&self.#member).is_empty() {
                        self.#member = ::core::convert::From::from(id);
                    }
                }
            }
        });
        quote! {
            #[automatically_derived]
            impl ::runstate::schema::Fields for #name {
                #declaration

                #set_missing_id

                fn write_fields(
                    &self,
                    document: &mut ::runstate::value::Document,
                ) -> ::core::result::Result<(), ::runstate::schema::Violation> {
                    #(#writes)*
                    ::core::result::Result::Ok(())
                }

                fn read_fields(
                    document: &::runstate::value::Document,
                ) -> ::core::result::Result<Self, ::runstate::schema::Violation> {
                    ::core::result::Result::Ok(#entity)
                }
            }
        }
    }

    fn id(&self) -> syn::Result<&StoredField> {
        let mut ids = self.fields.iter().filter(|field| field.attributes.id);
        match (ids.next(), ids.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(second)) => {
                name::error(second.span(), "an entity has one id; another field has `#[entity(id)]` too")
            }
            (None, _) => {
                Err(syn::Error::new_spanned(&self.input.ident, "an entity needs a field with `#[entity(id)]`"))
            }
        }
    }

    /// The access to its state, if it has one.
    fn state(&self) -> syn::Result<Option<TokenStream>> {
        let mut states = self.fields.iter().filter(|field| field.attributes.state);
        let Some(StoredField { member, ty, .. }) = states.next() else { return Ok(None) };
        if let Some(second) = states.next() {
            return name::error(second.span(), "an entity has one state; another field has `#[entity(state)]` too");
        }
        let entity = &self.input.ident;
        Ok(Some(quote! {
            #[automatically_derived]
            impl ::runstate::schema::StatefulEntity for #entity {
                type State = #ty;

                fn state(&self) -> &Self::State {
                    &self.#member
                }

                fn state_mut(&mut self) -> &mut Self::State {
                    &mut self.#member
                }
            }
        }))
    }

    /// The paths of the fields that compose the id.
    fn id_fields(&self, checks: &mut Vec<TokenStream>) -> syn::Result<Vec<String>> {
        let StoredField { path, attributes, .. } = self.id()?;
        if !attributes.has_default() {
            return Ok(vec![path.clone()]);
        }
        let resolve = |field: &Ident| self.resolve(&name::plain(field), field.span(), checks);
        attributes.composed_of.iter().map(resolve).collect()
    }

    fn collection(&self) -> syn::Result<CollectionTokens> {
        let ident = &self.input.ident;
        let Some(collection) = &self.attributes.collection else {
            let message = "an entity needs `#[entity(collection = \"domain.name\", version = 1)]`";
            return Err(syn::Error::new_spanned(ident, message));
        };
        let Some(version) = &self.attributes.version else {
            return Err(syn::Error::new_spanned(collection, "an entity needs a `version`; versions begin at 1"));
        };
        let mut tokens = CollectionTokens {
            declaration: quote! {
                ::runstate::schema::Collection::new(#collection, #version).fields(<#ident as ::runstate::schema::Fields>::FIELDS)
            },
            checks: Vec::new(),
        };
        let indexes = self.attributes_named("index").map(IndexAttribute::parse).collect::<syn::Result<Vec<_>>>()?;
        let indexes =
            indexes.iter().map(|index| index.tokens(self, &mut tokens.checks)).collect::<syn::Result<Vec<_>>>()?;
        tokens.add(quote!(.indexes(&[#(#indexes),*])));
        let mut ttls = self.attributes_named("ttl");
        if let Some(ttl) = ttls.next() {
            let ttl = TtlAttribute::parse(ttl)?.tokens(self, &mut tokens.checks)?;
            tokens.add(quote!(.ttl(#ttl)));
        }
        if let Some(second) = ttls.next() {
            return Err(syn::Error::new_spanned(second, "an entity has one `ttl`"));
        }
        let mut shards = self.fields.iter().filter(|field| field.attributes.shard);
        if let Some(StoredField { path, attributes, .. }) = shards.next() {
            let key = if attributes.id { quote!(HashedId) } else { quote!(Ranged(#path)) };
            tokens.add(quote!(.shard(::runstate::schema::ShardKey::#key)));
        }
        if let Some(second) = shards.next() {
            return name::error(second.span(), "an entity has one shard key; another field has `#[entity(shard)]` too");
        }
        if self.attributes.insert_only {
            tokens.add(quote!(.insert_only()));
        }
        if let Some(fields) = &self.attributes.detached {
            let mut resolve = |field: &Ident| self.resolve(&name::plain(field), field.span(), &mut tokens.checks);
            let [time, meta] = fields;
            let (time, meta) = (resolve(time)?, resolve(meta)?);
            tokens.add(quote!(.detached(::runstate::schema::TimeSeries { time: #time, meta: #meta })));
        }
        if let Some(field) = &self.attributes.partition_by_month {
            let path = self.resolve(&name::plain(field), field.span(), &mut tokens.checks)?;
            tokens.add(quote!(.partition_by_month(#path)));
        }
        let views = &self.attributes.views;
        if !views.is_empty() {
            tokens.add(quote!(.views(&[#(&#views),*])));
        }
        let id_fields = self.id_fields(&mut tokens.checks)?;
        tokens.add(quote!(.id_fields(&[#(#id_fields),*])));
        Ok(tokens)
    }

    /// What errors call the entity, and the operation that lists its documents.
    fn noun(&self) -> Option<TokenStream> {
        let StructAttributes { noun, collection, list, .. } = &self.attributes;
        let (noun, domain) = (noun.as_ref()?, collection.as_ref()?.value());
        let words = name::snake_case(&noun.value()).replace('_', " ");
        let list = list.operation(domain.split('.').next()?, noun, "list");
        Some(quote! {
            const NOUN: &'static str = #words;
            const LISTED_BY: ::core::option::Option<&'static str> = ::core::option::Option::Some(#list);
        })
    }

    /// The queries of the entity, if it has a noun.
    fn queries(&self, checks: &mut Vec<TokenStream>) -> syn::Result<Option<TokenStream>> {
        let StructAttributes { noun, collection, filters, .. } = &self.attributes;
        let (Some(noun), Some(collection)) = (noun, collection) else {
            return match filters.first() {
                Some((filter, _)) => {
                    name::error(filter.span(), "filters need a `noun`, which names the list that has them")
                }
                None => Ok(None),
            };
        };
        if !name::is_camel_case_word(&noun.value()) {
            return name::error(
                noun.span(),
                "a noun is one word in camel case, which names the queries: `domain.noun.list`",
            );
        }
        let collection = collection.value();
        let (domain, plural) = collection.split_once('.').unwrap_or(("", &collection));
        let (mut list, mut described) = (Vec::new(), Vec::new());
        for (filter, field) in filters {
            let (plain, span) = (name::plain(filter), filter.span());
            let named = field.as_ref().map(|field| (field.value(), field.span()));
            let (field, span) = named.clone().unwrap_or((plain.clone(), span));
            let path = self.resolve(&field, span, checks)?;
            let (parameter, word) = match named {
                Some(_) => (Case::Camel.apply(&plain), plain),
                // A filter by the id of a session is named by the session.
                None => (Case::Camel.apply(path.strip_suffix("_id").unwrap_or(&path)), path.clone()),
            };
            list.push(quote!((#parameter, #path)));
            let documentation = format!("Only those with this `{}`.", Case::Camel.apply(&word));
            described.push(quote!((#parameter, #path, #documentation)));
        }
        let parameters = filters.len();
        let none = quote!(::core::option::Option::None);
        let (sort, order) = match &self.attributes.list.sort {
            Some(sort) => {
                let field = sort.parse_with(<IndexField as syn::parse::Parse>::parse)?;
                let (path, direction) = (field.path(self, checks)?, field.direction());
                let order =
                    format!("`{}`{}", Case::Camel.apply(&path), if field.descending { ", descending" } else { "" });
                (quote!(::core::option::Option::Some((#path, #direction))), order)
            }
            None => (none.clone(), "their id".to_owned()),
        };
        let condition = match &self.attributes.when {
            Some(when) => {
                let condition = parse_condition(when, self, checks)?;
                quote!(::core::option::Option::Some(#condition))
            }
            None => none,
        };
        let form = |query: &QueryAttributes| query.row.as_ref().map_or_else(|| quote!(Self), |row| quote!(#row));
        let (shown, row) = (form(&self.attributes.show), form(&self.attributes.list));
        let row_fields = self
            .attributes
            .list
            .row
            .as_ref()
            .map_or_else(|| quote!(&[]), |row| quote!(<#row as ::runstate::schema::Fields>::FIELDS));
        let id = if self.id()?.path == "name" { "name" } else { "id" };
        let operation = |verb: &str, result: TokenStream, query: TokenStream, documentation: String| {
            let attributes = if verb == "list" { &self.attributes.list } else { &self.attributes.show };
            let name = attributes.operation(domain, noun, verb);
            let cli = attributes.cli.as_ref().map_or_else(|| quote!(None), |cli| quote!(Some(#cli)));
            quote! {
                ::runstate::operation::OperationDeclaration {
                    signature: ::runstate::operation::Signature {
                        name: #name,
                        kind: ::runstate::operation::OperationKind::Query,
                        creates: false,
                        parameters: <#query as ::runstate::operation::Parameters>::PARAMETERS,
                        description: ::runstate::description!(#name, #documentation, #cli, #query, #result),
                    },
                    parse: ::runstate::operation::parse_query::<#query, #query>,
                }
            }
        };
        let noun = noun.value();
        let show = operation(
            "show",
            shown.clone(),
            quote!(::runstate::operation::ShowEntity<Self>),
            format!("Returns one {noun}.\n\nErrors: `not_found`."),
        );
        let list_operation = operation(
            "list",
            quote!(::runstate::schema::Page<#row>),
            quote!(::runstate::operation::ListEntities<Self>),
            format!(
                "Lists {plural} page by page: those that match all filters.\n\nErrors: `invalid` (the cursor is not of this list)."
            ),
        );
        let name = &self.input.ident;
        let complete = self.attributes.show.complete.as_ref().map(|complete| {
            quote! {
                fn complete(
                    view: &::runstate::decision::View,
                    shown: &mut [#shown],
                ) -> ::core::result::Result<(), ::runstate::decision::Rejection> {
                    #complete(view, shown)
                }
            }
        });
        Ok(Some(quote! {
            #[automatically_derived]
            impl ::runstate::operation::EntityQueries for #name {
                #complete
                type Shown = #shown;
                type Row = #row;
                const SORT: ::core::option::Option<(&'static str, ::runstate::schema::Direction)> = #sort;
                const CONDITION: ::core::option::Option<::runstate::schema::Predicate> = #condition;
                const ROW_FIELDS: &'static [::runstate::schema::Field] = #row_fields;
                const SHOW: ::runstate::operation::OperationDeclaration = #show;
                const LIST: ::runstate::operation::OperationDeclaration = #list_operation;
                const FILTERS: &'static [(&'static str, &'static str)] = &[#(#list),*];
                const SHOW_PARAMETERS: ::runstate::operation::EntityParameters = (
                    &[::runstate::operation::ParameterDeclaration { name: #id, required: true, subject: true }],
                    ::runstate::described_parameters!((#id, "Its id.", ::std::string::String)),
                );
                const LIST_PARAMETERS: ::runstate::operation::EntityParameters = (
                    &::runstate::operation::list_parameters::<{ #parameters + 4 }>(Self::FILTERS),
                    ::runstate::described_list!(Self, #order, #(#described),*),
                );
            }
        }))
    }

    fn attributes_named(&self, name: &'static str) -> impl Iterator<Item = &Attribute> {
        self.input.attrs.iter().filter(move |attribute| attribute.path().is_ident(name))
    }

    /// The stored path that `name` means in an index: that of a field of this struct, or else a stored path. The second
    /// is checked by the compiler, because other types declare such fields.
    pub fn resolve(&self, name: &str, span: proc_macro2::Span, checks: &mut Vec<TokenStream>) -> syn::Result<String> {
        if let Some(field) = self.fields.iter().find(|field| field.is_named(name) && !field.attributes.flat) {
            return Ok(field.path.clone());
        }
        if !name.contains('.') && !self.fields.iter().any(|field| field.path == name || field.attributes.flat) {
            let known: Vec<String> = self.fields.iter().map(|field| field.path.clone()).collect();
            return name::error(span, name::unknown(&format!("field of `{}`", self.input.ident), name, &known));
        }
        let path = self.attributes.case().apply(name);
        let ident = &self.input.ident;
        let message = format!("`{path}` is not a declared field of `{ident}`, of its state or of its objects");
        checks.push(quote_spanned! {span=>
            const _: () = ::core::assert!(
                ::runstate::schema::declaration::declares(<#ident as ::runstate::schema::Fields>::FIELDS, #path),
                #message
            );
        });
        Ok(path)
    }
}

/// The declaration of a collection, and the items that check it.
struct CollectionTokens {
    declaration: TokenStream,
    checks: Vec<TokenStream>,
}

impl CollectionTokens {
    fn add(&mut self, call: TokenStream) {
        self.declaration.extend(call);
    }
}

impl StructAttributes {
    fn case(&self) -> Case {
        self.rename_all.unwrap_or(Case::Snake)
    }

    fn parse_one(&mut self, meta: &ParseNestedMeta<'_>, allowed: &[&str]) -> syn::Result<()> {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        if !allowed.contains(&name.as_str()) {
            return Err(name::unknown_attribute(&meta.path, allowed));
        }
        match name.as_str() {
            "collection" => self.collection = Some(meta.value()?.parse()?),
            "version" => self.version = Some(version(meta)?),
            "insert_only" => self.insert_only = true,
            "detached" => self.detached = Some(series(meta)?),
            "views" => {
                return meta.parse_nested_meta(|view| {
                    self.views.push(view.path);
                    Ok(())
                });
            }
            "partition_by_month" => self.partition_by_month = Some(meta.value()?.parse()?),
            "rename_all" => self.rename_all = Some(Case::parse(meta)?),
            "inside" => self.inside = Some(meta.value()?.parse()?),
            "noun" => self.noun = Some(meta.value()?.parse()?),
            "filters" => {
                return meta.parse_nested_meta(|field| {
                    let path = field.input.peek(syn::Token![=]).then(|| field.value().and_then(|path| path.parse()));
                    self.filters.push((field.path.require_ident()?.clone(), path.transpose()?));
                    Ok(())
                });
            }
            "when" => self.when = Some(meta.value()?.parse()?),
            "show" => return self.show.parse(meta, SHOW_ATTRIBUTES),
            "list" => return self.list.parse(meta, LIST_ATTRIBUTES),
            _ => self.upgrade = Some(meta.value()?.parse()?),
        }
        Ok(())
    }
}

impl QueryAttributes {
    /// The name of the operation.
    fn operation(&self, domain: &str, noun: &LitStr, verb: &str) -> String {
        self.name.as_ref().map_or_else(|| format!("{domain}.{}.{verb}", noun.value()), LitStr::value)
    }

    fn parse(&mut self, meta: &ParseNestedMeta<'_>, allowed: &[&str]) -> syn::Result<()> {
        meta.parse_nested_meta(|one| {
            let name = one.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if !allowed.contains(&name.as_str()) {
                return Err(name::unknown_attribute(&one.path, allowed));
            }
            match name.as_str() {
                "name" => self.name = Some(one.value()?.parse()?),
                "cli" => self.cli = Some(one.value()?.parse()?),
                "row" => self.row = Some(one.value()?.parse()?),
                "complete" => self.complete = Some(one.value()?.parse()?),
                _ => self.sort = Some(one.value()?.parse()?),
            }
            Ok(())
        })
    }
}

fn version(meta: &ParseNestedMeta<'_>) -> syn::Result<LitInt> {
    let value: Expr = meta.value()?.parse()?;
    match &value {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(version), .. })
            if version.base10_parse::<u32>().is_ok_and(|n| n > 0) =>
        {
            Ok(version.clone())
        }
        other => Err(syn::Error::new_spanned(other, "a version is an integer from 1")),
    }
}

/// Parses `detached(time = at, meta = session_id)`.
fn series(attribute: &ParseNestedMeta<'_>) -> syn::Result<[Ident; 2]> {
    let [mut time, mut meta] = [None, None];
    attribute.parse_nested_meta(|field| {
        let slot = match field.path.get_ident().map(ToString::to_string).as_deref() {
            Some("time") => &mut time,
            Some("meta") => &mut meta,
            _ => return Err(name::unknown_attribute(&field.path, SERIES_FIELDS)),
        };
        *slot = Some(field.value()?.parse()?);
        Ok(())
    })?;
    match (time, meta) {
        (Some(time), Some(meta)) => Ok([time, meta]),
        _ => Err(attribute.error("a time series needs `detached(time = …, meta = …)`")),
    }
}

/// Stored types have no parameters: a declaration is one constant.
pub fn reject_generics(input: &DeriveInput) -> syn::Result<()> {
    match input.generics.params.is_empty() {
        true => Ok(()),
        false => Err(syn::Error::new_spanned(&input.generics, "a stored type has no generic parameters")),
    }
}
