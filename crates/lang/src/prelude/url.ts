// URL and URLSearchParams. URL Standard (WHATWG) §3 Hosts, §4 URLs, §5 application/x-www-form-urlencoded, §6 API; the
// texts are those of Node.
// Deviation: a host with characters beyond ASCII is valid if they are lowercase letters that IDNA maps to themselves.
const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
const isSpecial = (url) => Object.hasOwn(PORTS, url.protocol);

// The percent-encode sets (§1.3), besides control characters and what is not ASCII.
const OPAQUE = "";
const FRAGMENT = ' "<>`';
const QUERY = ' "#<>';
const SPECIAL_QUERY = QUERY + "'";
const PATH = QUERY + "?`{}";
const USERINFO = PATH + "/:;=@[\\]^|";

const hex = (byte) => "%" + byte.toString(16).toUpperCase().padStart(2, "0");

function encode(text, set) {
  let result = "";
  for (const one of text) {
    const code = one.codePointAt(0);
    if (code > 0x7e) result += code === 0x7f ? "%7F" : encodeURIComponent(one);
    else result += code < 0x20 || set.includes(one) ? hex(code) : one;
  }
  return result;
}

// UTF-8 without errors: Encoding Standard §4.1, U+FFFD for each ill-formed part.
function decodeBytes(bytes) {
  let result = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    if (first < 0x80) {
      result += String.fromCharCode(first);
      continue;
    }
    const count = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    let code = first & (0x3f >> count);
    let [low, high, left] = [first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80, first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf, count];
    for (; left > 0 && bytes[at] >= low && bytes[at] <= high; left--, [low, high] = [0x80, 0xbf]) code = (code << 6) | (bytes[at++] & 0x3f);
    result += count === 0 || left > 0 ? "\ufffd" : String.fromCodePoint(code);
  }
  return result;
}

function decode(text) {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (part) => {
    const bytes = [];
    for (let at = 1; at < part.length; at += 3) bytes.push(parseInt(part.slice(at, at + 2), 16));
    return decodeBytes(bytes);
  });
}

// §3.5 IPv4 parser: the number, -1 for a domain, or undefined.
function parseIpv4(host) {
  const parts = host.split(".");
  if (parts.at(-1) === "" && parts.length > 1) parts.pop();
  if (!/^(?:\d+|0x[\da-f]*)$/i.test(parts.at(-1))) return -1;
  if (parts.length > 4) return undefined;
  let address = 0;
  for (const [index, part] of parts.entries()) {
    const [, prefix, digits] = /^(0x|0(?=.))?(.*)$/i.exec(part);
    const [radix, form] = prefix === undefined ? [10, /^\d+$/] : prefix === "0" ? [8, /^[0-7]*$/] : [16, /^[\da-f]*$/i];
    if (part === "" || !form.test(digits)) return undefined;
    const [value, isLast] = [digits === "" ? 0 : parseInt(digits, radix), index === parts.length - 1];
    if (value >= (isLast ? 256 ** (5 - parts.length) : 256)) return undefined;
    address += isLast ? value : value * 256 ** (3 - index);
  }
  return address;
}

const ipv4Text = (address) => [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");

// §3.5 IPv6 parser and serializer.
function parseIpv6(text) {
  const tail = /:(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (tail) {
    const bytes = tail[1].split(".");
    if (bytes.some((byte) => byte > 255 || (byte.length > 1 && byte[0] === "0"))) return undefined;
    const group = (high, low) => (high * 256 + Number(low)).toString(16);
    text = `${text.slice(0, tail.index + 1)}${group(bytes[0], bytes[1])}:${group(bytes[2], bytes[3])}`;
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [before, after] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = [...before, ...(after ?? [])];
  if (!given.every((group) => /^[\da-f]{1,4}$/i.test(group)) || (after ? given.length > 7 : given.length !== 8)) return undefined;
  const groups = [...before, ...Array.from({ length: 8 - given.length }, () => "0"), ...(after ?? [])].map((group) => parseInt(group, 16).toString(16));
  let [longest, length] = [-1, 1];
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (groups[end] === "0") end++;
    if (end - at > length) [longest, length] = [at, end - at];
    at = Math.max(at, end - 1);
  }
  if (longest < 0) return `[${groups.join(":")}]`;
  return `[${groups.slice(0, longest).join(":")}::${groups.slice(longest + length).join(":")}]`;
}

// RFC 3492 Punycode, of a label with characters beyond ASCII.
function punycode(label) {
  const codes = [...label].map((one) => one.codePointAt(0));
  let output = codes.filter((code) => code < 0x80).map((code) => String.fromCharCode(code)).join("");
  const basic = output.length;
  if (basic > 0) output += "-";
  for (let [code, delta, bias, done] = [0x80, 0, 72, basic]; done < codes.length; delta++, code++) {
    const next = codes.filter((one) => one >= code).reduce((a, b) => Math.min(a, b));
    [delta, code] = [delta + (next - code) * (done + 1), next];
    for (const one of codes) {
      if (one < code) delta++;
      if (one !== code) continue;
      let rest = delta;
      for (let k = 36; ; k += 36) {
        const t = Math.min(Math.max(k - bias, 1), 26);
        const digit = rest < t ? rest : t + ((rest - t) % (36 - t));
        output += String.fromCharCode(digit < 26 ? digit + 97 : digit + 22);
        if (rest < t) break;
        rest = Math.floor((rest - t) / (36 - t));
      }
      let scaled = Math.floor(delta / (done === basic ? 700 : 2));
      scaled += Math.floor(scaled / (done + 1));
      for (bias = 0; scaled > 455; bias += 36) scaled = Math.floor(scaled / 35);
      bias += Math.floor((36 * scaled) / (scaled + 38));
      [delta, done] = [0, done + 1];
    }
  }
  return `xn--${output}`;
}

// Letters that UTS 46 maps to themselves, and that no combination of others equals.
const LETTERS = /^[\x00-\x7f\xdf-\xf6\xf8-\u0130\u0131-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u03ac-\u03ce\u0430-\u045f\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3]*$/;

// §3.5 Host parsing. Undefined: the host is not valid.
function parseHost(text, special) {
  if (text[0] === "[") return text.at(-1) === "]" ? parseIpv6(text.slice(1, -1)) : undefined;
  if (!special) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? undefined : encode(text, OPAQUE);
  const domain = decode(text).toLowerCase();
  if (!LETTERS.test(domain)) return undefined;
  const ascii = domain.split(".").map((label) => (/^[\0-\x7f]*$/.test(label) ? label : punycode(label))).join(".");
  if (ascii === "" || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(ascii)) return undefined;
  const address = parseIpv4(ascii);
  return address === -1 ? ascii : address === undefined ? undefined : ipv4Text(address);
}

const isDriveLetter = (text) => /^[a-z][:|]$/i.test(text);
const startsWithDriveLetter = (text) => /^[a-z][:|](?:$|[/\\?#])/i.test(text);

function shorten(url) {
  if (url.protocol === "file:" && url.path.length === 1 && /^[a-z]:$/i.test(url.path[0])) return;
  url.path.pop();
}

const setQuery = (url, text) => (url.query = encode(text, isSpecial(url) ? SPECIAL_QUERY : QUERY));

// §4.4 path state. The path is absolute if it starts with a slash; `text` ends before the query.
function addPath(url, text) {
  const special = isSpecial(url);
  const segments = (text[0] === "/" || (special && text[0] === "\\") ? text.slice(1) : text).split(special ? /[/\\]/ : "/");
  for (const [index, segment] of segments.entries()) {
    const [isLast, dots] = [index === segments.length - 1, segment.replace(/%2e/gi, ".")];
    if (dots === "..") shorten(url);
    if (dots === ".." || dots === ".") {
      if (isLast) url.path.push("");
    } else if (url.protocol === "file:" && url.path.length === 0 && isDriveLetter(segment)) url.path.push(segment[0] + ":");
    else url.path.push(encode(segment, PATH));
  }
}

// §4.4 path start state and query state.
function addPathAndQuery(url, text) {
  const [, path, query] = /^([^?]*)(?:\?(.*))?$/s.exec(text);
  if (path !== "" || isSpecial(url)) addPath(url, path);
  if (query !== undefined) setQuery(url, query);
  return url;
}

// §4.4 host state and port state. False: the text is not valid.
function setHost(url, text) {
  const special = isSpecial(url);
  const [, name, port] = /^((?:\[[^\]]*\]?|[^:[])*)(?::(.*))?$/s.exec(text) ?? [];
  if (name === undefined || (name === "" && (special || port !== undefined))) return false;
  const host = name === "" ? "" : parseHost(name, special);
  if (host === undefined) return false;
  if (port !== undefined && port !== "" && (!/^\d+$/.test(port) || Number(port) > 65535)) return false;
  url.host = host;
  if (port !== undefined) setPort(url, port);
  return true;
}

const setPort = (url, port) => (url.port = port === "" || String(Number(port)) === PORTS[url.protocol] ? "" : String(Number(port)));

// §4.4 authority state. Undefined: the text is not valid.
function parseAuthority(url, text) {
  const end = text.search(isSpecial(url) ? /[/\\?]/ : /[/?]/);
  const [authority, rest] = end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end)];
  const at = authority.lastIndexOf("@");
  if (at >= 0) {
    const user = authority.slice(0, at);
    const colon = user.indexOf(":");
    url.username = encode(colon < 0 ? user : user.slice(0, colon), USERINFO);
    url.password = colon < 0 ? "" : encode(user.slice(colon + 1), USERINFO);
    if (at === authority.length - 1) return undefined;
  }
  return setHost(url, authority.slice(at + 1)) ? addPathAndQuery(url, rest) : undefined;
}

// §4.4 file state.
function parseFile(url, text, base) {
  url.host = "";
  const isSlash = (at) => text[at] === "/" || text[at] === "\\";
  if (isSlash(0) && isSlash(1)) {
    const end = text.slice(2).search(/[/\\?]/);
    const name = end < 0 ? text.slice(2) : text.slice(2, end + 2);
    if (isDriveLetter(name)) return addPathAndQuery(url, text.slice(2));
    const host = name === "" ? "" : parseHost(name, true);
    if (host === undefined) return undefined;
    url.host = host === "localhost" ? "" : host;
    return addPathAndQuery(url, text.slice(name.length + 2));
  }
  if (base?.protocol === "file:") {
    url.host = base.host;
    if (isSlash(0)) {
      if (!startsWithDriveLetter(text.slice(1)) && /^[a-z]:$/i.test(base.path[0])) url.path = [base.path[0]];
    } else {
      [url.path, url.query] = [[...base.path], base.query];
      if (text === "") return url;
      url.query = null;
      if (text[0] === "?") {
        setQuery(url, text.slice(1));
        return url;
      }
      if (startsWithDriveLetter(text)) url.path = [];
      else shorten(url);
    }
  }
  return addPathAndQuery(url, text);
}

// §4.4 relative state.
function parseRelative(url, text, base) {
  const isSlash = (at) => text[at] === "/" || (isSpecial(url) && text[at] === "\\");
  if (isSlash(0) && isSlash(1)) return parseAuthority(url, isSpecial(url) ? text.replace(/^[/\\]+/, "") : text.slice(2));
  [url.username, url.password, url.host, url.port] = [base.username, base.password, base.host, base.port];
  if (isSlash(0)) return addPathAndQuery(url, text);
  [url.path, url.query] = [[...base.path], base.query];
  if (text === "") return url;
  url.query = null;
  if (text[0] === "?") setQuery(url, text.slice(1));
  else {
    shorten(url);
    const [, path, query] = /^([^?]*)(?:\?(.*))?$/s.exec(text);
    addPath(url, path);
    if (query !== undefined) setQuery(url, query);
  }
  return url;
}

// §4.4 URL parsing. Undefined: the text is not a URL.
function parse(input, base) {
  let [start, end] = [0, input.length];
  while (start < end && input.charCodeAt(start) <= 0x20) start++;
  while (start < end && input.charCodeAt(end - 1) <= 0x20) end--;
  const text = input.slice(start, end).replace(/[\t\n\r]/g, "");
  const [, before, fragment] = /^([^#]*)(?:#(.*))?$/s.exec(text);
  const [, scheme, after] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(before) ?? [];
  // `path` is a text if it is opaque.
  const url = { protocol: "", username: "", password: "", host: null, port: "", path: [], query: null, fragment: null };
  if (fragment !== undefined) url.fragment = encode(fragment, FRAGMENT);
  if (scheme === undefined) {
    if (!base || (typeof base.path === "string" && (before !== "" || fragment === undefined))) return undefined;
    url.protocol = base.protocol;
    if (typeof base.path === "string") return { ...base, fragment: url.fragment };
    return url.protocol === "file:" ? parseFile(url, before, base) : parseRelative(url, before, base);
  }
  url.protocol = `${scheme.toLowerCase()}:`;
  if (url.protocol === "file:") return parseFile(url, after, base);
  if (isSpecial(url)) {
    if (base?.protocol === url.protocol && !/^[/\\]{2}/.test(after)) return parseRelative(url, after, base);
    return parseAuthority(url, after.replace(/^[/\\]+/, ""));
  }
  if (after.startsWith("//")) return parseAuthority(url, after.slice(2));
  if (after[0] === "/") return addPathAndQuery(url, after);
  const [, path, query] = /^([^?]*)(?:\?(.*))?$/s.exec(after);
  url.path = encode(path, OPAQUE);
  if (query !== undefined) setQuery(url, query);
  return url;
}

const hostWithPort = (url) => (url.host ?? "") + (url.port === "" ? "" : `:${url.port}`);
const pathname = (url) => (typeof url.path === "string" ? url.path : url.path.map((segment) => `/${segment}`).join(""));

// §4.5 URL serializing.
function serialize(url) {
  const user = url.username === "" && url.password === "" ? "" : `${url.username}${url.password === "" ? "" : `:${url.password}`}@`;
  const isBare = url.host === null && url.path.length > 1 && url.path[0] === "";
  const authority = url.host !== null ? `//${user}${hostWithPort(url)}` : isBare ? "/." : "";
  return `${url.protocol}${authority}${pathname(url)}${url.query === null ? "" : `?${url.query}`}${url.fragment === null ? "" : `#${url.fragment}`}`;
}

// §4.7 Origin.
function origin(url) {
  if (url.protocol === "blob:") {
    const inner = parse(pathname(url));
    return inner && /^https?:$/.test(inner.protocol) ? origin(inner) : "null";
  }
  return isSpecial(url) && url.protocol !== "file:" ? `${url.protocol}//${hostWithPort(url)}` : "null";
}

const text = (value) => `${value}`.toWellFormed();

// §5.1 application/x-www-form-urlencoded parsing.
function parseForm(query) {
  const pairs = query.split("&").filter((part) => part !== "");
  return pairs.map((part) => {
    const at = part.indexOf("=");
    return (at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)]).map((one) => decode(one.replaceAll("+", " ")));
  });
}

// §5.2 application/x-www-form-urlencoded serializing.
const encodeForm = (one) => encodeURIComponent(one).replace(/[!'()~]/g, (mark) => hex(mark.charCodeAt(0))).replaceAll("%20", "+");

function coded(error, code) {
  error.code = code;
  return error;
}

function pairsOf(init) {
  if (typeof init !== "object" && typeof init !== "function") return parseForm(text(init).replace(/^\?/, ""));
  if (init instanceof URLSearchParams) return [...init];
  if (init[Symbol.iterator] == null) return Object.entries(init).map((pair) => pair.map(text));
  const refuse = () => coded(new TypeError("Each query pair must be an iterable [name, value] tuple"), "ERR_INVALID_TUPLE");
  const pairs = [];
  for (const pair of init) {
    if ((typeof pair !== "object" && typeof pair !== "function") || pair === null || pair[Symbol.iterator] == null) throw refuse();
    const parts = [...pair];
    if (parts.length !== 2) throw refuse();
    pairs.push(parts.map(text));
  }
  return pairs;
}

let setUpdate, replaceAll;

export class URLSearchParams {
  // The machine reads the first private field: console.log shows it.
  #pairs;
  #update = () => {};

  constructor(init = "") {
    this.#pairs = init === null ? [] : pairsOf(init);
  }

  static {
    setUpdate = (params, update) => (params.#update = update);
    replaceAll = (params, pairs) => (params.#pairs = pairs);
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#pairs.push([text(name), text(value)]);
    this.#update();
  }

  delete(name, value = undefined) {
    const [key, only] = [text(name), value === undefined ? undefined : text(value)];
    this.#pairs = this.#pairs.filter(([one, other]) => one !== key || (only !== undefined && other !== only));
    this.#update();
  }

  get(name) {
    const key = text(name);
    const found = this.#pairs.find(([one]) => one === key);
    return found ? found[1] : null;
  }

  getAll(name) {
    const key = text(name);
    return this.#pairs.filter(([one]) => one === key).map(([, value]) => value);
  }

  has(name, value = undefined) {
    const [key, only] = [text(name), value === undefined ? undefined : text(value)];
    return this.#pairs.some(([one, other]) => one === key && (only === undefined || other === only));
  }

  set(name, value) {
    const [key, changed] = [text(name), text(value)];
    const first = this.#pairs.findIndex(([one]) => one === key);
    if (first < 0) this.#pairs.push([key, changed]);
    else {
      this.#pairs[first][1] = changed;
      this.#pairs = this.#pairs.filter(([one], index) => one !== key || index === first);
    }
    this.#update();
  }

  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#update();
  }

  forEach(callback, receiver = undefined) {
    if (typeof callback !== "function") throw coded(new TypeError('The "callback" argument must be of type function. Received ' + callback), "ERR_INVALID_ARG_TYPE");
    for (let at = 0; at < this.#pairs.length; at++) callback.call(receiver, this.#pairs[at][1], this.#pairs[at][0], this);
  }

  *entries() {
    for (let at = 0; at < this.#pairs.length; at++) yield [...this.#pairs[at]];
  }

  *keys() {
    for (let at = 0; at < this.#pairs.length; at++) yield this.#pairs[at][0];
  }

  *values() {
    for (let at = 0; at < this.#pairs.length; at++) yield this.#pairs[at][1];
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map((pair) => pair.map(encodeForm).join("=")).join("&");
  }
}

export class URL {
  // The machine reads the first private field: console.log shows its properties.
  #shown;
  #url;

  constructor(input, base = undefined) {
    const [given, from] = [text(input), base === undefined ? undefined : text(base)];
    const parsedBase = from === undefined ? undefined : parse(from);
    const url = from === undefined || parsedBase ? parse(given, parsedBase) : undefined;
    if (!url) {
      const error = coded(new TypeError("Invalid URL"), "ERR_INVALID_URL");
      error.input = given;
      if (from !== undefined) error.base = from;
      throw error;
    }
    const params = new URLSearchParams();
    setUpdate(params, () => {
      const query = params.toString();
      this.#url.query = query === "" ? null : query;
      this.#show();
    });
    this.#shown = { searchParams: params };
    this.#change(url);
  }

  #show() {
    const url = this.#url;
    this.#shown = {
      href: serialize(url),
      origin: origin(url),
      protocol: url.protocol,
      username: url.username,
      password: url.password,
      host: hostWithPort(url),
      hostname: url.host ?? "",
      port: url.port,
      pathname: pathname(url),
      search: url.query === null || url.query === "" ? "" : `?${url.query}`,
      searchParams: this.#shown.searchParams,
      hash: url.fragment === null || url.fragment === "" ? "" : `#${url.fragment}`,
    };
  }

  #change(url) {
    this.#url = url;
    this.#show();
    replaceAll(this.#shown.searchParams, url.query === null ? [] : parseForm(url.query));
  }

  get href() {
    return this.#shown.href;
  }

  set href(value) {
    const url = parse(text(value));
    if (!url) throw coded(new TypeError("Invalid URL"), "ERR_INVALID_URL");
    this.#change(url);
  }

  get origin() {
    return this.#shown.origin;
  }

  get protocol() {
    return this.#shown.protocol;
  }

  set protocol(value) {
    const [url, scheme] = [this.#url, /^([a-z][a-z0-9+.-]*)(?::|$)/i.exec(text(value))?.[1].toLowerCase()];
    const protocol = `${scheme}:`;
    if (scheme === undefined || isSpecial({ protocol }) !== isSpecial(url)) return;
    if (protocol === "file:" && (url.username !== "" || url.password !== "" || url.port !== "")) return;
    if (url.protocol === "file:" && url.host === "") return;
    url.protocol = protocol;
    setPort(url, url.port);
    this.#show();
  }

  get username() {
    return this.#shown.username;
  }

  set username(value) {
    this.#setPart("username", encode(text(value), USERINFO));
  }

  get password() {
    return this.#shown.password;
  }

  set password(value) {
    this.#setPart("password", encode(text(value), USERINFO));
  }

  #setPart(name, value) {
    const url = this.#url;
    if (!url.host || url.protocol === "file:") return;
    url[name] = value;
    this.#show();
  }

  get host() {
    return this.#shown.host;
  }

  set host(value) {
    this.#setHost(text(value), true);
  }

  get hostname() {
    return this.#shown.hostname;
  }

  set hostname(value) {
    this.#setHost(text(value), false);
  }

  #setHost(value, withPort) {
    const url = this.#url;
    if (typeof url.path === "string") return;
    const [given] = value.replace(/[\t\n\r]/g, "").split(isSpecial(url) ? /[/\\?#]/ : /[/?#]/);
    const [, name, port] = /^((?:\[[^\]]*\]?|[^:[])*)(?::(\d*).*)?$/s.exec(given) ?? [];
    if (name === undefined || (!withPort && port !== undefined)) return;
    const changed = { ...url };
    if (url.protocol === "file:") {
      const host = name === "" ? "" : parseHost(name, true);
      if (host === undefined || port !== undefined) return;
      changed.host = host === "localhost" ? "" : host;
    } else if (name === "" && (isSpecial(url) || url.username !== "" || url.password !== "" || url.port !== "")) return;
    else if (!setHost(changed, port ? `${name}:${port}` : name)) {
      // A port that is not valid leaves the host.
      if (!setHost(changed, name)) return;
    }
    this.#url = changed;
    this.#show();
  }

  get port() {
    return this.#shown.port;
  }

  set port(value) {
    const [url, given] = [this.#url, text(value).replace(/[\t\n\r]/g, "")];
    const digits = /^\d*/.exec(given)[0];
    if (!url.host || url.protocol === "file:" || (digits === "" && given !== "") || Number(digits) > 65535) return;
    setPort(url, digits);
    this.#show();
  }

  get pathname() {
    return this.#shown.pathname;
  }

  set pathname(value) {
    const url = this.#url;
    if (typeof url.path === "string") return;
    url.path = [];
    const given = text(value).replace(/[\t\n\r]/g, "");
    if (given !== "" || isSpecial(url)) addPath(url, given.replaceAll("#", "%23"));
    this.#show();
  }

  get search() {
    return this.#shown.search;
  }

  set search(value) {
    const [url, given] = [this.#url, text(value).replace(/[\t\n\r]/g, "")];
    url.query = null;
    if (given !== "") setQuery(url, given.replace(/^\?/, ""));
    this.#change(url);
  }

  get searchParams() {
    return this.#shown.searchParams;
  }

  get hash() {
    return this.#shown.hash;
  }

  set hash(value) {
    const given = text(value).replace(/[\t\n\r]/g, "");
    this.#url.fragment = given === "" ? null : encode(given.replace(/^#/, ""), FRAGMENT);
    this.#show();
  }

  toString() {
    return this.#shown.href;
  }

  toJSON() {
    return this.#shown.href;
  }

  static canParse(input, base = undefined) {
    const from = base === undefined ? undefined : parse(text(base));
    return (base === undefined || !!from) && !!parse(text(input), from);
  }

  static parse(input, base = undefined) {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }
}
