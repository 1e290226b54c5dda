//! Conditions as parameters: the JSON form of [`Filter`], read with errors that help.

use runstate_value::Json;

use super::{Mismatch, Parameter, nearest_name};
use crate::schema::Filter;

/// Deepest nesting of a condition. Stores evaluate and translate conditions recursively.
const MAX_DEPTH: usize = 16;

/// The operators, in the order of [`Filter`].
const OPERATORS: [&str; 13] =
    ["eq", "ne", "in", "lt", "lte", "gt", "gte", "exists", "contains", "text", "and", "or", "not"];

/// A condition: `"all"`, or an object with one operator.
///
/// | operator | operands |
/// |---|---|
/// | `eq` `ne` `lt` `lte` `gt` `gte` `contains` | `["path", value]` |
/// | `in` | `["path", [value, …]]` |
/// | `exists` | `["path", true]` |
/// | `text` | `["path", "words"]` |
/// | `and` `or` | `[condition, …]` |
/// | `not` | `condition` |
impl Parameter for Filter {
    fn expected() -> String {
        "a condition such as {\"eq\": [\"path\", value]}, or \"all\"".to_owned()
    }

    fn from_json(value: Json) -> Result<Self, Mismatch> {
        read_filter(value, MAX_DEPTH)
    }
}

fn read_filter(value: Json, levels: usize) -> Result<Filter, Mismatch> {
    if levels == 0 {
        return Err(Mismatch::of_rule(format!("is nested deeper than {MAX_DEPTH} conditions")));
    }
    let condition = match value {
        Json::String(word) if word == "all" => return Ok(Filter::All),
        Json::Object(condition) if condition.len() == 1 => condition,
        other => return Err(Mismatch::of_type(Filter::expected(), other)),
    };
    let Some((operator, operands)) = condition.into_iter().next() else {
        return Err(Mismatch::of_type(Filter::expected(), Json::Null));
    };
    read_operator(&operator, operands, levels).map_err(|mismatch| mismatch.within(&operator))
}

fn read_operator(operator: &str, operands: Json, levels: usize) -> Result<Filter, Mismatch> {
    Ok(match operator {
        "and" => Filter::And(read_filters(operands, levels)?),
        "or" => Filter::Or(read_filters(operands, levels)?),
        "not" => Filter::Not(Box::new(read_filter(operands, levels - 1)?)),
        "eq" => with_operand(operands, Filter::Eq)?,
        "ne" => with_operand(operands, Filter::Ne)?,
        "in" => with_operand(operands, Filter::In)?,
        "lt" => with_operand(operands, Filter::Lt)?,
        "lte" => with_operand(operands, Filter::Lte)?,
        "gt" => with_operand(operands, Filter::Gt)?,
        "gte" => with_operand(operands, Filter::Gte)?,
        "exists" => with_operand(operands, Filter::Exists)?,
        "contains" => with_operand(operands, Filter::Contains)?,
        "text" => with_operand(operands, Filter::Text)?,
        unknown => {
            let hint = nearest_name(unknown, &OPERATORS).map_or_else(
                || format!("the operators are {}", OPERATORS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(Mismatch::of_rule(format!("is not an operator of conditions; {hint}")));
        }
    })
}

fn read_filters(operands: Json, levels: usize) -> Result<Vec<Filter>, Mismatch> {
    let Json::Array(operands) = operands else {
        return Err(Mismatch::of_type(format!("a list, each {}", Filter::expected()), operands));
    };
    let one = |(index, operand)| {
        read_filter(operand, levels - 1).map_err(|mismatch: Mismatch| mismatch.within(&format!("[{index}]")))
    };
    operands.into_iter().enumerate().map(one).collect()
}

/// Reads `["path", operand]`.
fn with_operand<T: Parameter>(operands: Json, filter: fn(String, T) -> Filter) -> Result<Filter, Mismatch> {
    let pair = match operands {
        Json::Array(pair) if pair.len() == 2 => pair,
        other => return Err(Mismatch::of_type(format!("a pair [\"path\", {}]", T::expected()), other)),
    };
    let mut pair = pair.into_iter();
    let (path, operand) = (pair.next().unwrap_or_default(), pair.next().unwrap_or_default());
    let path = String::from_json(path).map_err(|mismatch| mismatch.within("[0]"))?;
    let operand = T::from_json(operand).map_err(|mismatch| mismatch.within("[1]"))?;
    Ok(filter(path, operand))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_read_from_its_serialized_form() {
        let nested = json!({"and": [{"eq": ["a", 1]}, {"not": {"or": [{"in": ["b", [1, null]]}, {"exists": ["c.d", false]}]}},
            {"text": ["e", "two words"]}, {"gte": ["f", "x"]}, {"contains": ["g", {"h": []}]}, "all"]});
        let read = Filter::from_json(nested.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), nested);
    }

    #[test]
    fn an_invalid_condition_names_the_place_and_the_remedy() {
        let deep = (0..20).fold(json!("all"), |inner, _| json!({"not": inner}));
        let message = |condition: Json| {
            let mismatch = Filter::from_json(condition).unwrap_err().within("where");
            mismatch.into_rejection("documents.query").to_string()
        };
        let messages = [
            json!({"eqq": ["a", 1]}),
            json!({"$where": "1"}),
            json!({"eq": ["a"]}),
            json!({"and": [{"in": ["a", 1]}]}),
            json!({"eq": ["a", 1], "ne": ["b", 2]}),
            json!([]),
            json!({"eq": [1, 1]}),
        ];
        insta::assert_snapshot!(messages.map(message).join("\n"), @r#"
        documents.query: `where.eqq` is not an operator of conditions; the operators are eq, ne, in, lt, lte, gt, gte, exists, contains, text, and, or, not
        documents.query: `where.$where` is not an operator of conditions; the operators are eq, ne, in, lt, lte, gt, gte, exists, contains, text, and, or, not
        documents.query: `where.eq` must be a pair ["path", a JSON value], not ["a"]
        documents.query: `where.and[0].in[1]` must be a list, each a JSON value, not 1
        documents.query: `where` must be a condition such as {"eq": ["path", value]}, or "all", not {"eq":["a",1],"ne":["b",2]}
        documents.query: `where` must be a condition such as {"eq": ["path", value]}, or "all", not []
        documents.query: `where.eq[0]` must be a string, not 1
        "#);
        assert!(message(deep).ends_with("is nested deeper than 16 conditions"));
    }
}
