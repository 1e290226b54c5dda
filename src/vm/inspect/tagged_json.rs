//! Values for programs: JSON with tags for values that JSON lacks. [`ValueView::value`](super::ValueView::value) lists the tags.

use serde_json::{Map, Value as Json, json};

use super::super::wire;
use super::{ContainerItem, ObjectCopy, ObjectKind, ValueCopy};

/// The tagged form.
pub(super) fn tagged_json(shown: &ValueCopy) -> Json {
    match shown {
        ValueCopy::Undefined => json!({ "$undefined": true }),
        ValueCopy::Uninitialised => json!({ "$uninitialised": true }),
        ValueCopy::Null => Json::Null,
        ValueCopy::Bool(truth) => Json::Bool(*truth),
        ValueCopy::Number(number) => wire::number(*number),
        ValueCopy::Text(units, 0) => wire::text(units),
        ValueCopy::Text(units, left) => json!({ "$cut": wire::text(units), "of": units.len() + left }),
        ValueCopy::Circular(levels, _) => json!({ "$circular": levels }),
        ValueCopy::Omitted(class) => json!({ "$deep": class }),
        ValueCopy::Object(object) => object_json(object),
    }
}

fn object_json(object: &ObjectCopy) -> Json {
    let (tag, value) = match &object.kind {
        ObjectKind::Object => return Json::Object(members(object)),
        ObjectKind::Array if object.members.is_empty() && object.members_left == 0 => return items(object),
        ObjectKind::Array => ("$array", items(object)),
        ObjectKind::Map => ("$map", items(object)),
        ObjectKind::Set => ("$set", items(object)),
        ObjectKind::Function(base) => ("$function", json!(base)),
        ObjectKind::Iterator { name, .. } => ("$iterator", json!(name)),
        ObjectKind::RegExp { source, flags } => ("$regexp", json!({ "source": source, "flags": flags })),
        ObjectKind::Error(label) => {
            ("$error", json!({ "name": label.name, "message": label.message, "stack": label.stack }))
        }
    };
    let mut tagged = members(object);
    tagged.insert(tag.to_owned(), value);
    Json::Object(tagged)
}

fn items(object: &ObjectCopy) -> Json {
    let items = object.items.iter().map(|item| match item {
        ContainerItem::Holes(run) => json!({ "$holes": run }),
        ContainerItem::Value(value) => tagged_json(value),
        ContainerItem::Entry(key, value) | ContainerItem::Pair(key, value) => {
            json!([tagged_json(key), tagged_json(value)])
        }
    });
    let cut = (object.items_left > 0).then(|| json!({ "$cut": object.items_left }));
    items.chain(cut).collect()
}

fn members(object: &ObjectCopy) -> Map<String, Json> {
    let mut members = Map::new();
    for member in &object.members {
        let key = String::from_utf16_lossy(&member.key);
        // A `$` of the program is doubled, so that its property is not mistaken for a tag.
        let mark = if key.starts_with('$') || !member.enumerable { "$" } else { "" };
        members.insert(format!("{mark}{key}"), tagged_json(&member.value));
    }
    if object.members_left > 0 {
        members.insert("$cut".to_owned(), json!(object.members_left));
    }
    let builtin = match &object.kind {
        ObjectKind::Object => object.class == "Object",
        ObjectKind::Error(label) => object.class == label.name,
        _ => true,
    };
    if !builtin {
        members.insert("$class".to_owned(), json!(object.class));
    }
    members
}
