//! The part of MongoDB's wire protocol that initiates a replica set: commands with small values, and one field of a reply. A driver would delay every
//! developer command by its build.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const OP_MSG: u32 = 2013;

/// Runs a command of the database `admin`; returns the raw reply.
pub fn command(port: u16, name: &str, value: &Value) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&message(&document([(name, value), ("$db", &Value::from("admin"))])))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut reply = Vec::new();
    stream.take(u64::from(u32::from_le_bytes(length)).saturating_sub(4)).read_to_end(&mut reply)?;
    Ok(reply)
}

/// Whether a field of that name is true anywhere in the reply. This suffices for names that occur once.
pub fn field_is_true(reply: &[u8], name: &str) -> bool {
    let field = [&[8], name.as_bytes(), &[0, 1]].concat();
    reply.windows(field.len()).any(|window| window == field)
}

/// A message: length, request id, response-to id, opcode; no flags; one section with the document.
fn message(document: &[u8]) -> Vec<u8> {
    let length = 16 + 4 + 1 + document.len() as u32;
    let head = [length, 1, 0, OP_MSG, 0].map(u32::to_le_bytes).concat();
    [head.as_slice(), &[0], document].concat()
}

/// BSON of the fields, in this order, because the first field names the command.
fn document<'a>(fields: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Vec<u8> {
    let body: Vec<u8> = fields.into_iter().flat_map(|(name, value)| element(name, value)).collect();
    [&(body.len() as u32 + 5).to_le_bytes(), body.as_slice(), &[0]].concat()
}

fn element(name: &str, value: &Value) -> Vec<u8> {
    let (kind, bytes) = match value {
        Value::Object(fields) => (3, document(fields.iter().map(|(name, value)| (name.as_str(), value)))),
        Value::Array(list) => {
            let names: Vec<String> = (0..list.len()).map(|n| n.to_string()).collect();
            (4, document(names.iter().map(String::as_str).zip(list)))
        }
        Value::String(text) => (2, [&(text.len() as u32 + 1).to_le_bytes(), text.as_bytes(), &[0]].concat()),
        Value::Bool(yes) => (8, vec![u8::from(*yes)]),
        Value::Null => (10, Vec::new()),
        Value::Number(number) => (1, number.as_f64().unwrap_or_default().to_le_bytes().to_vec()),
    };
    [&[kind], name.as_bytes(), &[0], &bytes].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_encode_as_bson() {
        assert_eq!(document([("hello", &json!("world"))]), b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0");
        let nested = document([("a", &json!([true, {"b": null}]))]);
        assert_eq!(nested, b"\x1c\0\0\0\x04a\0\x14\0\0\0\x080\0\x01\x031\0\x08\0\0\0\x0ab\0\0\0\0");
    }

    #[test]
    fn a_reply_field_is_tested_for_true() {
        let reply = message(&document([("isWritablePrimary", &json!(true)), ("ok", &json!(1))]));
        assert!(field_is_true(&reply, "isWritablePrimary"));
        assert!(!field_is_true(&reply, "secondary") && !field_is_true(&reply, "ok"));
    }
}
