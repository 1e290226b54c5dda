//! Derive macros of [runstate](https://docs.rs/runstate), which re-exports them beside the traits that they implement.

mod condition;
mod entity;
mod event;
mod field;
mod index;
mod name;
mod operation;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `Operation`, `OperationName` and `Parameters` for the struct of an operation's parameters.
#[proc_macro_derive(Operation, attributes(operation))]
pub fn derive_operation(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(operation::operation(&input))
}

/// Derives `OperationName` for a command or query that callers cannot invoke by name.
#[proc_macro_derive(OperationName, attributes(operation))]
pub fn derive_operation_name(input: TokenStream) -> TokenStream {
    expand(operation::operation_name(&parse_macro_input!(input as DeriveInput)))
}

/// Derives `Parameters` and `Parameter` for a struct that is a parameter. With `#[operation(open)]` it ignores unknown
/// members: a larger object, such as a row of a list, may be passed in its place. With `#[operation(default)]` it also
/// implements `Default`, from the defaults of its fields.
#[proc_macro_derive(Parameters, attributes(operation))]
pub fn derive_parameters(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(operation::object(&input))
}

/// Derives `Parameter` for an enum without fields: its words are the names of its variants in snake case.
#[proc_macro_derive(Parameter)]
pub fn derive_parameter(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(operation::word(&input))
}

/// Implements `runstate::schema::Entity` for a struct.
#[proc_macro_derive(Entity, attributes(entity, index, ttl))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    expand(entity::derive_entity(&parse_macro_input!(input as DeriveInput)))
}

/// Implements `runstate::schema::Fields` for a struct that is stored inside a document.
#[proc_macro_derive(Fields, attributes(entity))]
pub fn derive_fields(input: TokenStream) -> TokenStream {
    expand(entity::derive_fields(&parse_macro_input!(input as DeriveInput)))
}

/// Implements `runstate::schema::Fields` for an enum whose variants own fields of a document.
#[proc_macro_derive(State, attributes(entity, state))]
pub fn derive_state(input: TokenStream) -> TokenStream {
    expand(state::derive_state(&parse_macro_input!(input as DeriveInput)))
}

/// Implements `runstate::schema::FieldType` for an enum without data, which is stored as text.
#[proc_macro_derive(FieldType, attributes(entity))]
pub fn derive_field_type(input: TokenStream) -> TokenStream {
    expand(state::derive_field_type(&parse_macro_input!(input as DeriveInput)))
}

/// Implements the JSON of a type in results of operations: `Serialize`, `Deserialize` and `JsonSchema`.
///
/// Members are in camel case, whatever the stored names are. The id of the entity itself, which has `#[entity(id)]` or
/// the name `uuid`, is `id`, unless it is a `name`. A missing value is null. The words of enums are as stored; a state
/// whose variants own no fields has `#[state(…)]`. `#[entity(flatten)]` and `#[entity(state)]` put the members of a
/// value in the place of the value. A type with a field `#[entity(hidden)]` is not `Deserialize`.
#[proc_macro_derive(Wire, attributes(entity, state))]
pub fn derive_wire(input: TokenStream) -> TokenStream {
    expand(wire::derive_wire(&parse_macro_input!(input as DeriveInput)))
}

/// Implements `runstate::decision::LifecycleEvent` for an enum.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    expand(event::derive_event(&parse_macro_input!(input as DeriveInput)))
}

fn expand(tokens: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    tokens.unwrap_or_else(|error| error.into_compile_error()).into()
}
