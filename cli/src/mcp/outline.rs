//! What can be read of a message whose line is not JSON.

use std::fmt;

use rmcp::model::RequestId;
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value as Json, json};

/// The members of a message that can be read, up to a part that is damaged. What is skipped may have a lone surrogate,
/// any depth and any number.
#[derive(Default)]
pub struct Outline {
    pub id: Option<RequestId>,
    /// It is a request or a notification.
    pub has_method: bool,
    /// It is a response, unless it has a method.
    pub has_result: bool,
    has_protocol: bool,
    /// The object has its end, and nothing follows it.
    is_whole: bool,
}

impl Outline {
    pub fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        let start = text.iter().position(|byte| *byte == b'{').unwrap_or_default();
        let mut reader = serde_json::Deserializer::from_slice(&text[start..]);
        let read = reader.deserialize_map(&mut outline);
        outline.is_whole = read.and_then(|()| reader.end()).is_ok();
        outline
    }

    /// Whether it is an object that is not a message, such as a line of a log.
    pub fn is_other(&self) -> bool {
        self.is_whole && !self.has_protocol
    }
}

impl<'de> Visitor<'de> for &mut Outline {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "id" => self.id = RequestId::deserialize(members.next_value::<Json>()?).ok(),
                name => {
                    self.has_method |= name == "method";
                    self.has_result |= ["result", "error"].contains(&name);
                    self.has_protocol |= name == "jsonrpc";
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The name of the id of a message.
const ID: &[u8] = b"\"id\"";

/// The id of a message that ends with it.
pub fn last_id(text: &[u8]) -> Option<RequestId> {
    let members = text.strip_suffix(b"}")?.trim_ascii_end();
    let at = members.iter().rposition(|byte| *byte == b':')?;
    let is_id = members[..at].trim_ascii_end().ends_with(ID);
    is_id.then(|| serde_json::from_slice(&members[at + 1..]).ok()).flatten()
}

/// The id with which a request that cannot be read is answered: null if it cannot be found. `None`: the message is a
/// response or a notification, which is never answered.
pub fn id_of_request(text: &[u8]) -> Option<Json> {
    let text = text.trim_ascii();
    let Outline { id, has_method, has_result, .. } = Outline::of(text);
    // The id of a request may be in a part that is missing.
    let has_no_id = text.ends_with(b"}") && !text.windows(ID.len()).any(|part| part == ID);
    let is_answered = if has_method { !has_no_id } else { !has_result };
    is_answered.then(|| json!(id.or_else(|| last_id(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_damaged_message_is_found_at_both_ends() {
        let found = |text: &str| {
            let Outline { id, has_method, .. } = Outline::of(text.as_bytes());
            (id.or_else(|| last_id(text.as_bytes())), has_method)
        };
        let deep = format!(r#"{{"result":{}{},"id":3}}"#, "[".repeat(200), "]".repeat(200));
        for text in [
            r#"{"jsonrpc":"2.0","id":3,"result":{"a":[1,"#,
            r#"{"jsonrpc":"2.0","id":3,"result":x}"#,
            r#"{"result":{"a":"\ud800"},"id":3,"jsonrpc":"2.0"}"#,
            r#"{"result":{"n":1e999},"jsonrpc":"2.0","id":3}"#,
            r#"{"result":{"id":4},x,"jsonrpc":"2.0", "id" : 3 }"#,
            r#"a log {"id":3,"result":1}"#,
            &deep,
        ] {
            assert_eq!(found(text), (Some(RequestId::Number(3)), false), "{text}");
        }
        for text in [r#"{"jsonrpc":"2.0","result":{"id":3},"#, r#"{"result":{"id":3}}"#, "{", "", "}", "text"] {
            assert_eq!(found(text), (None, false), "{text}");
        }
        assert_eq!(found(r#"{"method":"a","params":"\ud800"}"#), (None, true));
    }

    #[test]
    fn only_requests_are_answered_by_their_id() {
        let answered = |text: &str| id_of_request(text.as_bytes());
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"n":NaN}}"#, json!(7)),
            (r#"{"method":"a","params":{"n":-Infinity},"jsonrpc":"2.0","id":"x"} "#, json!("x")),
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","params":{"n":1}"#, json!(7)),
            (r#"{"method":"a","params":{"n":1},"jsonrpc":"2.0","id":7"#, json!(7)),
            (r#"{"method":"a","params":{"n":NaN},"id":7,"jsonrpc":"2.0"}"#, json!(null)),
            (r#"{"jsonrpc":"2.0","method":"a","params":{"n":1"#, json!(null)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","result":NaN}"#, json!(7)),
            ("text", json!(null)),
            ("[NaN]", json!(null)),
        ] {
            assert_eq!(answered(text), Some(id), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"n":NaN}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":NaN}}"#,
            r#"{"jsonrpc":"2.0","method":"a","params":"\ud800"}"#,
        ] {
            assert_eq!(answered(text), None, "{text}");
        }
    }
}
