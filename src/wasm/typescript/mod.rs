//! The types of all that crosses, as TypeScript: what `pkg/src/generated.ts` holds. Made from the types that are read and written, from the
//! table of methods, and from the declarations of collections.

mod documents;
mod layout;

use std::collections::BTreeMap;

use ts_rs::{Config, TS, TypeVisitor};

use super::calls::{self, *};
use crate::code::Code;
use crate::engine::Error;
use crate::engine::transfer::Progress;
use crate::work::Told;

/// What is written by hand into the package, what follows from the rest.
const HEAD: &str = "\
// Made from the sources of runstate. Do not edit: change the Rust types and let `tests/typescript.rs` write it.

/** A plain value: what JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
";

/// All of it.
pub fn generated() -> Result<String, Error> {
    let config = Config::new().with_large_int("number");
    let mut types = Types { config: &config, declared: BTreeMap::new() };
    let methods = every_method(&mut types);
    types.take::<OpenParams>();
    types.take::<WorkerParams>();
    types.take::<HandlerFailed>();
    types.take::<Told<'static>>();
    types.take::<ExportParams>();
    types.take::<Progress>();
    types.take::<ImportResult>();
    types.take::<crate::wasm::compiling::CompiledSource>();
    types.take::<crate::lang::Diagnostic>();
    let declared: Vec<String> = types.declared.into_values().collect();
    let parts = [HEAD.to_owned(), codes(), declared.join("\n"), documents::all()?, methods];
    Ok(parts.join("\n"))
}

/// Every error code.
fn codes() -> String {
    let codes: Vec<String> = Code::ALL.iter().map(|code| format!("  | \"{code}\"")).collect();
    format!(
        "/** What errors are told apart by: never renamed, never meaning something else. */\nexport type ErrorCode =\n{};\n",
        codes.join("\n")
    )
}

macro_rules! described {
    ($($name:literal $run:path: $params:ty => $result:ty;)+) => {
        /// The table of methods.
        fn every_method(types: &mut Types<'_>) -> String {
            let mut table = String::from("/** Every method: what it takes, and what it comes to. */\nexport interface Calls {\n");
            $(
                types.take::<$params>();
                types.take::<$result>();
                let (params, result) = (types.name::<$params>(), types.name::<$result>());
                table += &format!("  \"{}\": {{ params: {params}; result: {result} }};\n", $name);
            )+
            table + "}\n"
        }
    };
}

calls::every::call!(described);

/// Declarations by name, each with those it needs.
struct Types<'a> {
    config: &'a Config,
    declared: BTreeMap<String, String>,
}

impl Types<'_> {
    fn take<T: TS + 'static + ?Sized>(&mut self) {
        self.visit::<T>();
        T::visit_generics(self);
    }

    fn name<T: TS>(&self) -> String {
        renamed(&T::name(self.config))
    }
}

impl TypeVisitor for Types<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What comes with TypeScript is not declared.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(self.config);
        if name == "JsonValue" || self.declared.contains_key(&name) {
            return;
        }
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(self.config));
        self.declared.insert(name, layout::laid_out(&renamed(&declaration)));
        T::visit_dependencies(self);
    }
}

fn renamed(text: &str) -> String {
    text.replace("JsonValue", "Json")
}
