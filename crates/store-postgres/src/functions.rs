//! Functions of the server that do the regular work with the rights of their owner, to whom tables and views belong. So
//! the user of a worker, who may not alter them, does this work, too.

use super::statement::quote_text;

/// The name of a function beside a table or view, whose quoted name it extends.
pub(super) fn function_name(relation: &str, suffix: &str) -> String {
    relation.strip_suffix('"').map_or_else(|| format!("{relation}{suffix}"), |name| format!("{name}{suffix}\""))
}

/// The statements that create a function in PL/pgSQL with the rights of its owner, who is that of the relation. Other
/// users have none yet.
pub(super) fn owner_function(relation: &str, name: &str, parameters: &str, returns: &str, body: &str) -> String {
    let function = format!("FUNCTION {name}({parameters})");
    let (body, owner) = (quote_text(body), give_to_owner(&function, relation));
    format!(
        "CREATE OR REPLACE {function} RETURNS {returns} LANGUAGE plpgsql SECURITY DEFINER \
         SET search_path = pg_catalog, pg_temp AS {body}; REVOKE ALL ON {function} FROM PUBLIC; {owner}"
    )
}

/// The statement that gives an object to the owner of a relation, if this user may. The user who migrates may be one of
/// several members of that role.
pub(super) fn give_to_owner(object: &str, relation: &str) -> String {
    let (give, relation) = (quote_text(&format!("ALTER {object} OWNER TO ")), quote_text(relation));
    let body = format!(
        "DECLARE owner text; BEGIN FOR owner IN SELECT relowner::regrole FROM pg_class WHERE oid = {relation}::regclass \
         AND pg_has_role(relowner, 'MEMBER') AND has_schema_privilege(relowner, relnamespace, 'CREATE') \
         LOOP EXECUTE {give} || owner; END LOOP; END"
    );
    format!("DO {}", quote_text(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_is_named_after_its_relation() {
        assert_eq!(function_name("\"a\".\"b\"", "_refresh"), "\"a\".\"b_refresh\"");
    }
}
