const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
function toBase64(bytes: number[]): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const [a, b = 0, c = 0] = bytes.slice(i, i + 3);
    const n = (a << 16) | (b << 8) | c;
    out += [18, 12, 6, 0].map((shift, k) => (i + k - 1 < bytes.length ? ALPHABET[(n >> shift) & 63] : "=")).join("");
  }
  return out;
}
function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const ch of text) {
    const c = ch.codePointAt(0)!;
    if (c < 0x80) bytes.push(c);
    else if (c < 0x800) bytes.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) bytes.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else bytes.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return bytes;
}
function crc32(bytes: number[]): string {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ((crc ^ -1) >>> 0).toString(16).padStart(8, "0");
}
const toQuery = (params: Record<string, string | number | boolean>) => Object.entries(params).map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
const fromQuery = (query: string) => Object.fromEntries(query.split("&").map((part) => part.split("=").map(decodeURIComponent)));

console.log(toBase64(utf8("hello")), toBase64(utf8("héllo wörld €😀")), toBase64([]), toBase64([77]));
console.log(crc32(utf8("123456789")), utf8("€").map((b) => b.toString(16)));
const query = toQuery({ q: "a b&c=d", page: 2, exact: true, name: "José" });
console.log(query, fromQuery(query));
console.log(encodeURI("https://example.com/a b?q=ü#x"), decodeURIComponent("%F0%9F%98%80"), escape("ü"));
try { decodeURIComponent("%E0%A4%A"); } catch (e) { console.log((e as Error).name, (e as Error).message); }
console.log([..."a😀b"].length, "a😀b".length, "a😀b".split("").length, "😀".charCodeAt(1), String.fromCodePoint(128512, 65));
console.log("ſtraße".normalize("NFKC").toUpperCase(), "İ".toLowerCase().length, "\u00e9" === "e\u0301".normalize());
console.log(btoa("hello"), atob("aGVsbG8="));
