// TextEncoder and TextDecoder. Encoding Standard (WHATWG) §7; the texts are those of Node. `$…` are functions of the
// machine.
// Deviation: UTF-8 is the only encoding.
const UTF_8 = ["unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "utf-8", "utf8", "x-unicode20utf8"];
// Labels of other encodings begin so.
const OTHERS = /^(?:x-)?(?:utf-?16|ucs-|unicode|cs|iso|latin\d|l\d|us-|ascii|cp\d|mac|windows-|koi|gb|big5|euc|shift|sjis|ms|ks|tis|dos)/;

const coded = (error, code) => Object.assign(error, { code });

function received(value) {
  if (value == null) return `${value}`;
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "object") return `an instance of ${value.constructor.name}`;
  const text = String(value).length > 28 ? String(value).slice(0, 25) + "..." : String(value);
  return `type ${typeof value} (${typeof value === "string" ? `'${text}'` : text})`;
}

const refuse = (name, type, value) =>
  coded(new TypeError(`The "${name}" argument must be ${type}. Received ${received(value)}`), "ERR_INVALID_ARG_TYPE");

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(input = "") {
    return $encode(`${input}`);
  }

  encodeInto(source, destination) {
    if (typeof source !== "string") throw refuse("src", "of type string", source);
    if (!(destination instanceof Uint8Array)) throw refuse("dest", "an instance of Uint8Array", destination);
    const [read, written] = $encodeInto(source, destination);
    return { read, written };
  }
}

export class TextDecoder {
  // The machine shows the first private field.
  #shown;
  #left = [];
  #isWithin = false;

  constructor(label = "utf-8", options = {}) {
    const name = `${label}`.trim().toLowerCase();
    if (OTHERS.test(name)) $refuseEncoding(`the encoding ${name} is not supported; use utf-8`);
    if (!UTF_8.includes(name))
      throw coded(new RangeError(`The "${label}" encoding is not supported`), "ERR_ENCODING_NOT_SUPPORTED");
    if (options !== null && typeof options !== "object") throw refuse("options", "of type object", options);
    this.#shown = { encoding: "utf-8", fatal: !!options?.fatal, ignoreBOM: !!options?.ignoreBOM };
  }

  get encoding() {
    return this.#shown.encoding;
  }

  get fatal() {
    return this.#shown.fatal;
  }

  get ignoreBOM() {
    return this.#shown.ignoreBOM;
  }

  decode(input = new Uint8Array(), options = {}) {
    if (!(input instanceof ArrayBuffer) && !ArrayBuffer.isView(input))
      throw coded(
        new TypeError('The "list" argument must be an instance of SharedArrayBuffer, ArrayBuffer or ArrayBufferView.'),
        "ERR_INVALID_ARG_TYPE",
      );
    const isPart = !!options?.stream;
    const { buffer = input, byteOffset, byteLength } = input;
    let bytes = new Uint8Array(buffer, byteOffset, byteLength);
    if (this.#left.length > 0) {
      const joined = new Uint8Array(this.#left.length + bytes.length);
      joined.set(this.#left);
      joined.set(bytes, this.#left.length);
      bytes = joined;
    }
    const isWithin = this.#isWithin;
    this.#left = [];
    this.#isWithin = false;
    const decoded = $decode(bytes, this.fatal, isPart);
    if (!decoded)
      throw coded(new TypeError("The encoded data was not valid for encoding utf-8"), "ERR_ENCODING_INVALID_ENCODED_DATA");
    const [text, left] = decoded;
    if (left > 0) this.#left = bytes.slice(bytes.length - left);
    this.#isWithin = isPart && (isWithin || text !== "");
    return text[0] === "\ufeff" && !this.ignoreBOM && !isWithin ? text.slice(1) : text;
  }
}
