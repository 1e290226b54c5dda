//! The parts of `TextEncoder` and `TextDecoder` that their source in the language (`crates/lang`) cannot express. Only
//! the compiler emits these names. Encoding Standard (WHATWG) §4.1, §7.

use super::super::abrupt_completion::{Completion, type_error, unsupported};
use super::super::array_buffer::{View, ViewKind};
use super::super::conversion::{self, StrBuilder};
use super::super::entry::Entry;
use super::super::machine::Machine;
use super::super::value::{HeapRef, Value};
use super::{BuiltinDefinition, NativeArgs, NativeOutcome};

pub(super) static ROWS: &[BuiltinDefinition] = &[
    // The bytes of a text in UTF-8, as a Uint8Array. Lone surrogates become U+FFFD.
    ("encode text", 1, |machine, args| {
        let text = super::arg_text(machine, args, 0)?;
        machine.charge_work(text.len() as u64);
        // A code unit has at most three bytes.
        machine.heap.check_buffer_room(3 * text.len())?;
        let bytes = text.to_utf8().into_bytes();
        let len = bytes.len() as u32;
        let view = View { kind: ViewKind::Uint8, buffer: machine.heap.new_buffer(bytes), offset: 0, len };
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.allocate(Entry::View(view)))))
    }),
    // As many characters of a text as fit into a Uint8Array. The result is an array of the units read and the bytes
    // written.
    ("encode text into", 2, |machine, args| {
        let text = super::arg_text(machine, args, 0)?;
        let target = match super::arg(machine, args, 1) {
            Value::Ref(at) => machine.heap.typed_array(at).filter(|view| view.kind == ViewKind::Uint8),
            _ => None,
        };
        let Some(target) = target else { return type_error("the destination must be a Uint8Array") };
        let (mut read, mut bytes) = (0, Vec::new());
        for character in char::decode_utf16(text.units().iter()).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER)) {
            let mut encoded = [0; 4];
            let encoded = character.encode_utf8(&mut encoded).as_bytes();
            if bytes.len() + encoded.len() > target.len as usize {
                break;
            }
            bytes.extend_from_slice(encoded);
            read += character.len_utf16();
        }
        machine.charge_work(bytes.len() as u64);
        machine.heap.write_bytes(target.buffer, target.offset as usize, &bytes);
        let counts = [read, bytes.len()].map(|count| Value::Number(count as f64));
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.new_array(counts.to_vec()))))
    }),
    // Bytes in UTF-8 as a text. With a second argument that is true, ill-formed bytes give undefined; with a third one,
    // the bytes of a character that is not complete at the end are left. The result is an array of the text and the
    // number of bytes left.
    ("decode text", 3, |machine, args| {
        let (buffer, from, count) = bytes_argument(machine, args)?;
        let (is_fatal, is_part) = (super::arg(machine, args, 1).truthy(), super::arg(machine, args, 2).truthy());
        machine.charge_work(count as u64);
        machine.heap.check_room(3 * count as u64)?;
        let bytes = machine.heap.copy_bytes(buffer, from, count);
        let (mut text, mut left, mut done) = (StrBuilder::default(), 0, 0);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len() + chunk.invalid().len();
            if chunk.invalid().is_empty() {
                continue;
            }
            if is_part && done == count && is_beginning(chunk.invalid()) {
                left = chunk.invalid().len();
            } else if is_fatal {
                return Ok(NativeOutcome::Value(Value::Undefined));
            } else {
                text.push_unit(0xfffd);
            }
        }
        conversion::check_text_length(machine, text.len())?;
        let text = text.build();
        machine.heap.charge(text.weight());
        let parts = vec![Value::Text(text), Value::Number(left as f64)];
        Ok(NativeOutcome::Value(Value::Ref(machine.heap.new_array(parts))))
    }),
    // Throws the error of a program that needs Node, with this message.
    ("refuse encoding", 1, |machine, args| unsupported(super::arg_text(machine, args, 0)?.to_utf8())),
];

/// Whether ill-formed bytes are the beginning of a character.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The buffer, the first byte and the number of bytes of the first argument: a view or a buffer.
fn bytes_argument(machine: &Machine, args: &NativeArgs) -> Completion<(HeapRef, usize, usize)> {
    if let Value::Ref(at) = super::arg(machine, args, 0) {
        match machine.heap.get(at) {
            Entry::Buffer(buffer) => return Ok((at, 0, buffer.len())),
            Entry::View(view) => return Ok((view.buffer, view.offset as usize, view.byte_len())),
            _ => {}
        }
    }
    type_error("the bytes must be an ArrayBuffer or a view of one")
}
