// Names every function of a WebAssembly module by its target position, for `wasm-opt --reorder-functions-by-name`.

import { orderBySimilarity } from "./function-similarity.mjs";

/** A reader of the binary format, over the bytes of a module. */
class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  /** An unsigned LEB128. */
  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  text() {
    const length = this.number();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  limits() {
    const flags = this.number();
    this.number();
    if (flags & 1) this.number();
  }
}

const FUNCTION = 0;
const CUSTOM = 0;
const IMPORTS = 2;
const CODE = 10;

/** Returns the module in `bytes` with each function named by its target position, which places similar functions
 * together. */
export function nameFunctionsByRank(bytes) {
  const sections = readSections(bytes);
  const section = (id) => sections.find((section) => section.id === id);
  const imported = countImportedFunctions(section(IMPORTS), bytes);
  const order = orderBySimilarity(readBodies(section(CODE), bytes));
  const width = String(order.length).length;
  const ranks = order.map((index, rank) => [index + imported, String(rank).padStart(width, "0")]);
  const others = sections.filter(({ name }) => name !== "name");
  return Buffer.concat([bytes.subarray(0, 8), ...others.map(({ begin, end }) => bytes.subarray(begin, end)), encodeNameSection(ranks)]);
}

function readSections(bytes) {
  const reader = new Reader(bytes, 8);
  const sections = [];
  while (reader.at < bytes.length) {
    const begin = reader.at;
    const id = reader.number();
    const length = reader.number();
    const start = reader.at;
    const name = id === CUSTOM ? reader.text() : undefined;
    sections.push({ id, name, begin, start, end: start + length });
    reader.at = start + length;
  }
  return sections;
}

function countImportedFunctions(section, bytes) {
  if (!section) return 0;
  const reader = new Reader(bytes, section.start);
  let functions = 0;
  for (let remaining = reader.number(); remaining > 0; remaining--) {
    reader.text();
    reader.text();
    const kind = reader.number();
    if (kind === FUNCTION) {
      functions++;
      reader.number();
    } else if (kind === 1) {
      reader.number();
      reader.limits();
    } else if (kind === 2) {
      reader.limits();
    } else if (kind === 3) {
      reader.number();
      reader.number();
    } else {
      throw new Error(`the module has an import of the unknown kind ${kind}`);
    }
  }
  return functions;
}

function readBodies(section, bytes) {
  if (!section) return [];
  const reader = new Reader(bytes, section.start);
  return Array.from({ length: reader.number() }, () => {
    const length = reader.number();
    reader.at += length;
    return bytes.subarray(reader.at - length, reader.at);
  });
}

function encodeNameSection(ranks) {
  const entries = ranks.toSorted(([a], [b]) => a - b).flatMap(([index, rank]) => [encodeNumber(index), encodeText(rank)]);
  const map = Buffer.concat([encodeNumber(ranks.length), ...entries]);
  const body = Buffer.concat([encodeText("name"), Buffer.of(1), encodeNumber(map.length), map]);
  return Buffer.concat([Buffer.of(CUSTOM), encodeNumber(body.length), body]);
}

function encodeNumber(value) {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

function encodeText(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([encodeNumber(bytes.length), bytes]);
}
