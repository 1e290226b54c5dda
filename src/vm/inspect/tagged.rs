//! Values for programs: JSON, with tags for what JSON lacks. The tags are listed at [`ValueView::value`](super::ValueView::value).

use serde_json::{Map, Value as Json, json};

use super::super::wire;
use super::{Item, Kind, Shown, ShownObject};

/// The tagged form.
pub(super) fn json(shown: &Shown) -> Json {
    match shown {
        Shown::Undefined => json!({ "$undefined": true }),
        Shown::Uninitialised => json!({ "$uninitialised": true }),
        Shown::Null => Json::Null,
        Shown::Bool(truth) => Json::Bool(*truth),
        Shown::Number(number) => wire::number(*number),
        Shown::Text(units, 0) => wire::text(units),
        Shown::Text(units, left) => json!({ "$cut": wire::text(units), "of": units.len() + left }),
        Shown::Circular(levels, _) => json!({ "$circular": levels }),
        Shown::Deep(class) => json!({ "$deep": class }),
        Shown::Object(object) => object_json(object),
    }
}

fn object_json(object: &ShownObject) -> Json {
    let (tag, value) = match &object.kind {
        Kind::Object => return Json::Object(members(object)),
        Kind::Array if object.members.is_empty() && object.members_left == 0 => return items(object),
        Kind::Array => ("$array", items(object)),
        Kind::Map => ("$map", items(object)),
        Kind::Set => ("$set", items(object)),
        Kind::Function(base) => ("$function", json!(base)),
        Kind::Iterator { name, .. } => ("$iterator", json!(name)),
        Kind::RegExp { source, flags } => ("$regexp", json!({ "source": source, "flags": flags })),
        Kind::Error(label) => ("$error", json!({ "name": label.name, "message": label.message, "stack": label.stack })),
    };
    let mut tagged = members(object);
    tagged.insert(tag.to_owned(), value);
    Json::Object(tagged)
}

fn items(object: &ShownObject) -> Json {
    let items = object.items.iter().map(|item| match item {
        Item::Holes(run) => json!({ "$holes": run }),
        Item::Value(value) => json(value),
        Item::Entry(key, value) | Item::Pair(key, value) => json!([json(key), json(value)]),
    });
    let cut = (object.items_left > 0).then(|| json!({ "$cut": object.items_left }));
    items.chain(cut).collect()
}

fn members(object: &ShownObject) -> Map<String, Json> {
    let mut members = Map::new();
    for member in &object.members {
        let key = String::from_utf16_lossy(&member.key);
        // A program's own `$` is doubled, so that no member is taken for a tag.
        let mark = if key.starts_with('$') || !member.enumerable { "$" } else { "" };
        members.insert(format!("{mark}{key}"), json(&member.value));
    }
    if object.members_left > 0 {
        members.insert("$cut".to_owned(), json!(object.members_left));
    }
    let builtin = match &object.kind {
        Kind::Object => object.class == "Object",
        Kind::Error(label) => object.class == label.name,
        _ => true,
    };
    if !builtin {
        members.insert("$class".to_owned(), json!(object.class));
    }
    members
}
