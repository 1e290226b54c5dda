//! TypeScript types of everything that crosses the boundary, the contents of `pkg/src/generated.ts`. They are generated from the types that are
//! parsed and serialized, from the table of methods, and from the declarations of collections.

mod documents;
mod format;

use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use super::calls::{self, *};
use crate::engine::Error;
use crate::engine::transfer::Progress;
use crate::error_code::ErrorCode;
use crate::work::WorkerEvent;

/// The hand-written beginning of the file.
const HEAD: &str = "\
// Generated from the sources of runstate. Do not edit: change the Rust types and let `tests/typescript.rs` write it.

/** A plain value, as in JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
";

/// Generates the whole file.
pub fn generate() -> Result<String, Error> {
    let config = Config::new().with_large_int("number");
    let mut types = TypeDeclarations { config: &config, declared: BTreeMap::new() };
    let methods = every_method(&mut types);
    types.declare::<OpenParams>();
    types.declare::<WorkerParams>();
    types.declare::<HandlerFailure>();
    types.declare::<WorkerEvent<'static>>();
    types.declare::<ExportParams>();
    types.declare::<Progress>();
    types.declare::<ImportResult>();
    types.declare::<crate::wasm::compiler::CompiledSource>();
    types.declare::<crate::lang::Diagnostic>();
    let declared: Vec<String> = types.declared.into_values().collect();
    let parts = [HEAD.to_owned(), codes(), declared.join("\n"), documents::document_interfaces()?, methods];
    Ok(parts.join("\n"))
}

/// Every error code.
fn codes() -> String {
    let codes: Vec<String> = ErrorCode::ALL.iter().map(|code| format!("  | \"{code}\"")).collect();
    format!(
        "/** Identifies an error. A code is never renamed or given another meaning. */\nexport type ErrorCode =\n{};\n",
        codes.join("\n")
    )
}

macro_rules! define_method_table {
    ($($name:literal $run:path: $params:ty => $result:ty;)+) => {
        /// The table of methods.
        fn every_method(types: &mut TypeDeclarations<'_>) -> String {
            let mut table = String::from("/** The parameters and the result of every method. */\nexport interface Calls {\n");
            $(
                types.declare::<$params>();
                types.declare::<$result>();
                let (params, result) = (types.name::<$params>(), types.name::<$result>());
                table += &format!("  \"{}\": {{ params: {params}; result: {result} }};\n", $name);
            )+
            table + "}\n"
        }
    };
}

calls::methods::for_each_method!(define_method_table);

/// Declarations by name, together with those they depend on.
struct TypeDeclarations<'a> {
    config: &'a Config,
    declared: BTreeMap<String, String>,
}

impl TypeDeclarations<'_> {
    fn declare<T: TS + 'static + ?Sized>(&mut self) {
        self.visit::<T>();
        T::visit_generics(self);
    }

    fn name<T: TS>(&self) -> String {
        rename_json(&T::name(self.config))
    }
}

impl TypeVisitor for TypeDeclarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Built-in TypeScript types need no declaration.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(self.config);
        if name == "JsonValue" || self.declared.contains_key(&name) {
            return;
        }
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(self.config));
        self.declared.insert(name, format::format_declaration(&rename_json(&declaration)));
        T::visit_dependencies(self);
    }
}

fn rename_json(text: &str) -> String {
    text.replace("JsonValue", "Json")
}
