// ECMA-262 §B.2.1 Additional Properties of the Global Object: escape and unescape.
const hex = (code, length) => code.toString(16).toUpperCase().padStart(length, "0");

export function escape(text) {
  return String(text).replace(/[^\w@*+\-./]/g, (unit) => {
    const code = unit.charCodeAt(0);
    return code < 256 ? `%${hex(code, 2)}` : `%u${hex(code, 4)}`;
  });
}

export function unescape(text) {
  return String(text).replace(/%u([\da-f]{4})|%([\da-f]{2})/gi, (_, long, short) => String.fromCharCode(parseInt(long ?? short, 16)));
}
