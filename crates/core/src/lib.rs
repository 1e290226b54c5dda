//! The pure core of runstate: the schema of documents, decisions on them, and the declarations of operations. Nothing
//! here is async, and nothing reads a clock or entropy or does I/O. The library `runstate` exports these modules.

// The derive macros name the library by its path.
extern crate self as runstate;

/// Declares constant methods that set the fields of their names: to a value, to `Some` of a value, and to true.
macro_rules! setters {
    ($($field:ident: $type:ty),+; $(some $some:ident: $of:ty),*; $(yes $flag:ident),*) => {
        $(
            #[doc = concat!("Sets `", stringify!($field), "`.")]
            pub const fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )+
        $(
            #[doc = concat!("Sets `", stringify!($some), "`.")]
            pub const fn $some(mut self, $some: $of) -> Self {
                self.$some = Some($some);
                self
            }
        )*
        $(
            #[doc = concat!("Sets `", stringify!($flag), "`.")]
            pub const fn $flag(mut self) -> Self {
                self.$flag = true;
                self
            }
        )*
    };
}

pub mod decision;
mod error;
pub mod error_code;
pub mod id;
pub mod lease;
pub mod limits;
pub mod marker;
pub mod operation;
pub mod prelude;
pub mod schema;

/// Whether this build has the documentation and schemas of operations. Constants choose by it, so other builds contain
/// none.
#[doc(hidden)]
pub const HAS_SCHEMAS: bool = cfg!(feature = "schema");

#[doc(inline)]
pub use runstate_value as value;
#[doc(inline)]
pub use runstate_value::time;

pub use error::Error;
