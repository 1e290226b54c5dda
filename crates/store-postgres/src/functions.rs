//! Functions of the server that do the regular work with the rights of their owner, to whom tables and views belong. So
//! the user of a worker, who may not alter them, does this work, too.

use super::statement::quote_text;

/// The name of a function beside a table or view, whose quoted name it extends.
pub(super) fn function_name(relation: &str, suffix: &str) -> String {
    relation.strip_suffix('"').map_or_else(|| format!("{relation}{suffix}"), |name| format!("{name}{suffix}\""))
}

/// The statements that create a function in PL/pgSQL with the rights of its owner. Other users have none yet.
pub(super) fn owner_function(name: &str, parameters: &str, returns: &str, body: &str) -> String {
    let body = quote_text(body);
    format!(
        "CREATE OR REPLACE FUNCTION {name}({parameters}) RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER \
         SET search_path = pg_catalog, pg_temp AS {body}; REVOKE ALL ON FUNCTION {name} FROM PUBLIC"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_is_named_after_its_relation() {
        assert_eq!(function_name("\"a\".\"b\"", "_refresh"), "\"a\".\"b_refresh\"");
    }
}
