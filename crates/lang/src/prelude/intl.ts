// Intl: ECMA-402 §10 Collator, §11 DateTimeFormat, §13 ListFormat, §15 NumberFormat, §16 PluralRules, §17
// RelativeTimeFormat. The texts are those of CLDR 48, which Node 20 has; the errors are those of V8.
// Deviations: what no table here has is an UnsupportedError. `$…` are functions of the machine.

// §9.2.1 CanonicalizeLocaleList, and the first locale.
function localeOf(locales) {
  if (locales === undefined) return "en-US";
  if (locales === null) throw new TypeError("Cannot convert undefined or null to object");
  const list = typeof locales === "string" ? [locales] : Array.isArray(locales) ? locales : [];
  const tags = list.map((tag) => {
    if (typeof tag !== "string") throw new TypeError("Language ID should be string or object.");
    if (!/^(?:[a-z]{2,3}|[a-z]{5,8})(?:-[a-z\d]{1,8})*$/i.test(tag)) throw new RangeError("Incorrect locale information provided");
    const parts = tag.toLowerCase().split("-");
    return parts.map((part, at) => (at > 0 && part.length === 2 ? part.toUpperCase() : part)).join("-");
  });
  return tags.length === 0 || tags[0] === "default" ? "en-US" : tags[0];
}

const isEnglish = (locale) => locale === "en-US" || locale === "en";

function englishOf(locales) {
  const locale = localeOf(locales);
  if (!isEnglish(locale)) $unsupported(`locales other than en-US are not supported here: ${locale}`);
  return locale;
}

// §9.2.12 CoerceOptionsToObject, §9.2.10 GetOptionsObject.
function readOptions(options, service, isStrict) {
  if (options === undefined) return {};
  if (isStrict && (options === null || (typeof options !== "object" && typeof options !== "function"))) throw new TypeError("invalid_argument");
  if (options === null) throw new TypeError(`${service} called on null or undefined`);
  pick(options, service, "localeMatcher", ["lookup", "best fit"]);
  return options;
}

// §9.2.13 GetOption.
function pick(options, service, name, values, fallback) {
  const value = options[name];
  if (value === undefined) return fallback;
  const text = `${value}`;
  if (values && !values.includes(text)) throw new RangeError(`Value ${text} out of range for ${service} options property ${name}`);
  return text;
}

// §9.2.15 DefaultNumberOption.
function integer(value, name, least, most, fallback) {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!(number >= least && number <= most)) throw new RangeError(`${name} value is out of range.`);
  return Math.floor(number);
}

const join = (parts) => parts.map((part) => part.value).join("");

// §11.3.5, §15.3.4, §16.3.4: the texts of a range leave out what both ends share.
const refuseRange = () => $unsupported("a range is not supported; format both ends and join the texts");

// A class of Intl, which is callable without `new` if it is an old one.
function expose(Class, isCallable) {
  const name = Class.name;
  function Intl(locales, options) {
    if (new.target === undefined ? !isCallable : new.target !== Intl)
      throw new.target === undefined ? new TypeError(`Constructor Intl.${name} requires 'new'`) : $unsupported(`a class that extends Intl.${name} is not supported`);
    return new Class(locales, options);
  }
  Object.defineProperty(Intl, "name", { value: name, configurable: true });
  Object.defineProperty(Intl, "length", { value: 0, configurable: true });
  const supportedLocalesOf = (locales) => {
    if (locales === undefined) return [];
    const list = typeof locales === "string" ? [locales] : locales;
    for (const locale of list) new Class(locale);
    return list.map((locale) => localeOf(locale));
  };
  Object.defineProperty(Intl, "supportedLocalesOf", { value: supportedLocalesOf, writable: true, configurable: true });
  Intl.prototype = Class.prototype;
  Object.defineProperty(Intl.prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
  Object.defineProperty(Intl.prototype, "constructor", { value: Intl, writable: true, configurable: true, enumerable: false });
  return Intl;
}

// Decimal numbers: whether it is negative, the digits without zeros at both ends, and the place of the point among
// them. §15.5.16 ToIntlMathematicalValue.
function decimal(value) {
  const [text, number] = [typeof value === "string" ? value.trim() : "", Number(value)];
  const isNegative = number < 0 || Object.is(number, -0);
  if (!Number.isFinite(number)) return { isNegative, digits: "", point: 0, special: Number.isNaN(number) ? "NaN" : "∞" };
  const exact = /^[+-]?(?=\.?\d)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text);
  const [, whole, fraction, exponent] = exact ?? /^(\d)\.?(\d*)e(.*)$/.exec(Math.abs(number).toExponential());
  const digits = `${whole}${fraction}`;
  return { isNegative, ...trimmed(digits, whole.length + Number(exponent ?? 0)) };
}

function trimmed(digits, point) {
  const significant = digits.replace(/^0+/, "");
  const rest = significant.replace(/0+$/, "");
  return { digits: rest, point: rest === "" ? 0 : point - digits.length + significant.length };
}

// The number with its first `count` digits. §15.5.14 GetUnsignedRoundingMode, §15.5.15 ApplyUnsignedRoundingMode.
function rounded(number, count, mode) {
  const { digits, isNegative } = number;
  if (count >= digits.length) return number;
  const [kept, rest] = [count > 0 ? digits.slice(0, count) : "", count < 0 ? `0${digits}` : digits.slice(count)];
  const half = rest[0] === "5" && rest.length === 1 ? 0 : rest[0] < "5" ? -1 : 1;
  const isUp = { ceil: !isNegative, floor: isNegative, expand: true, trunc: false }[mode] ?? (half > 0 ||
    (half === 0 && { halfCeil: !isNegative, halfFloor: isNegative, halfExpand: true, halfTrunc: false, halfEven: Number(kept.at(-1) ?? 0) % 2 === 1 }[mode]));
  if (!isUp) return { ...number, ...trimmed(kept, number.point) };
  const stem = kept.replace(/9+$/, "");
  // The unit of the last place that is kept.
  const last = number.point - count;
  if (stem === "") return { ...number, digits: "1", point: last + kept.length + 1 };
  return { ...number, digits: stem.slice(0, -1) + (Number(stem.at(-1)) + 1), point: number.point };
}

// The tables are texts within functions, so that the state of a program does not hold them.
const find = (list, key, separator = " ") => list.split(separator).find((row) => row.startsWith(key))?.slice(key.length);

// What a locale has of its own: the symbols of groups and of the point, the fewest digits before a group, the space
// before `%`, where currencies are (`¤1`, `¤ 1` or `1 ¤`), whether amounts below 0 may be in parentheses, and the
// symbols of currencies that are not their codes. A list that begins with `+` is beside that of English.
function numberLocale(locale) {
  const table = `en-US|,|.|1||¤1|()|+
en-GB|,|.|1||¤1|()|+JPYJP¥ USDUS$
en-CA|,|.|1||¤1|()|+CAD$ JPYJP¥ USDUS$ XCGCg
en-IN|,|.|1||¤1|()|+JPYJP¥
de-DE|.|,|1|\xa0|1 ¤||+AUDAU$ PHPPHP THB฿
fr-FR|\u202f|,|1|\xa0|1 ¤|()|ARS$AR AUD$AU BMD$BM BND$BN BRLR$ BZD$BZ CAD$CA CLP$CL COP$CO EUR€ FJD$FJ FKP£FK GBP£GB GIP£GI ILS₪ INR₹ KRW₩ LBP£LB MXN$MX NAD$NA NZD$NZ SBD$SB SGD$SG SRD$SR TTD$TT USD$US UYU$UY VND₫ WST$WS XAFFCFA XCGCg. XOFF\u202fCFA XPFFCFP
es-ES|.|,|2|\xa0|1 ¤||EUR€ THB฿ USDUS$ VND₫ XCGCg. XPFCFPF
it-IT|.|,|2||1 ¤||AUDA$ CADCA$ CNYCN¥ EUR€ GBP£ ILS₪ NZDNZ$ PHP₱ THB฿ XAFFCFA XCDEC$ XCGCf XOFF\u202fCFA XPFCFPF
pt-BR|.|,|1||¤ 1||+AUDAU$ JPYJP¥ PHPPHP THB฿ USDUS$
ja-JP|,|.|1||¤1|()|+CNY元 JPY￥ PHPPHP XCGCg
zh-CN|,|.|1||¤1|()|+AUDAU$ CNY¥ JPYJP¥ PHPPHP USDUS$
ko-KR|,|.|1||¤1|()|+AUDAU$ JPYJP¥ PHPPHP USDUS$`;
  const row = table.split("\n").find((one) => one.startsWith(`${locale}|`) || (locale.length === 2 && one.startsWith(`${locale}-`))) ?? $unsupported(`the locale ${locale} is not supported`);
  const [name, group, point, least, space, layout, parentheses, list] = row.split("|");
  return { group, point, least: Number(least), space, layout, parentheses, list, isIndian: name === "en-IN", isEnglish: name === "en-US" };
}

function currencySymbol(list, code, isNarrow) {
  const english = "AUDA$ BRLR$ CADCA$ CNYCN¥ EUR€ GBP£ HKDHK$ ILS₪ INR₹ JPY¥ KRW₩ MXNMX$ NZDNZ$ PHP₱ TWDNT$ USD$ VND₫ XAFFCFA XCDEC$ XCGCg. XOFF\u202fCFA XPFCFPF XXX¤";
  const narrow = "AFN؋ AMD֏ AOAKz ARS$ AUD$ AZN₼ BAMKM BBD$ BDT৳ BMD$ BND$ BOBBs BSD$ BWPP BZD$ CAD$ CLP$ CNY¥ COP$ CRC₡ CUC$ CUP$ CZKKč DKKkr DOP$ EGPE£ ESP₧ FJD$ FKP£ GEL₾ GHSGH₵ GIP£ GNFFG GTQQ GYD$ HKD$ HNLL HRKkn HUFFt IDRRp ISKkr JMD$ KGS⃀ KHR៛ KMFCF KPW₩ KYD$ KZT₸ LAK₭ LBPL£ LKRRs LRD$ LTLLt LVLLs MGAAr MMKK MNT₮ MURRs MXN$ MYRRM NAD$ NGN₦ NIOC$ NOKkr NPRRs NZD$ PKRRs PLNzł PYG₲ RONlei RUB₽ RWFRF SBD$ SEKkr SGD$ SHP£ SRD$ SSP£ STNDb SYP£ THB฿ TOPT$ TRY₺ TTD$ TWD$ UAH₴ UYU$ VEFBs XCD$ ZARR ZMWZK";
  return (isNarrow ? find(narrow, code) : undefined) ?? find(list.replace("+", ""), code) ?? (list[0] === "+" ? find(english, code) : undefined) ?? code;
}

// The digits of a currency after the point.
function currencyDigits(code) {
  if ("ADP AFN ALL BIF BYR CLP COP DJF ESP GNF HUF IDR IQD IRR ISK ITL JPY KMF KPW KRW LAK LBP LUF MGA MGF MMK MRO PKR PYG RWF SLL SOS STD SYP TMM TRL UGX UYI VND VUV XAF XOF XPF YER ZMK ZWD".includes(code)) return 0;
  return "BHD JOD KWD LYD OMR TND".includes(code) ? 3 : "CLF UYW".includes(code) ? 4 : 2;
}

// Currencies of the past that have symbols in some locales other than English.
const isPastCurrency = (code) => "ATS BEF BGM BGO CYP DEM ESP FRF IEP ILP ILR ITL MTP PTE RHD XXX".includes(code);

// The names of currencies: of one, and of more if that is not with an `s`.
function currencyName(code, category) {
  const table = "AED=UAE dirham;ARS=Argentine peso;AUD=Australian dollar;BDT=Bangladeshi taka;BRL=Brazilian real;CAD=Canadian dollar;CHF=Swiss franc;CLP=Chilean peso;CNY=Chinese yuan,Chinese yuan;COP=Colombian peso;CZK=Czech koruna;DKK=Danish krone,Danish kroner;EGP=Egyptian pound;EUR=euro;GBP=British pound;HKD=Hong Kong dollar;HUF=Hungarian forint;IDR=Indonesian rupiah;ILS=Israeli new shekel;INR=Indian rupee;JPY=Japanese yen,Japanese yen;KES=Kenyan shilling;KRW=South Korean won,South Korean won;MXN=Mexican peso;MYR=Malaysian ringgit;NGN=Nigerian naira;NOK=Norwegian krone,Norwegian kroner;NZD=New Zealand dollar;PHP=Philippine peso;PKR=Pakistani rupee;PLN=Polish zloty;RON=Romanian leu,Romanian lei;RUB=Russian ruble;SAR=Saudi riyal;SEK=Swedish krona,Swedish kronor;SGD=Singapore dollar;THB=Thai baht,Thai baht;TRY=Turkish lira,Turkish Lira;TWD=New Taiwan dollar;UAH=Ukrainian hryvnia;USD=US dollar;VND=Vietnamese dong,Vietnamese dong;ZAR=South African rand,South African rand";
  const row = find(table, `${code}=`, ";") ?? $unsupported(`the name of the currency \`${code}\` is not supported`);
  const [one, other = `${one}s`] = row.split(",");
  return category === "one" ? one : other;
}

// §6.6.2 IsSanctionedSingleUnitIdentifier: the texts of a unit after a number, short, narrow and long. More than one
// of them have what follows `|`; without that, the long one has an `s`.
const unitTexts = (unit) => find("acre= ac,ac, acre;bit= bit,bit, bit;byte= byte| byte,B, byte;celsius=°C,°C, degree Celsius| degrees Celsius;centimeter= cm,cm, centimeter;day= day| days,d, day;degree= deg,°, degree;fahrenheit=°F,°, degree Fahrenheit| degrees Fahrenheit;fluid-ounce= fl oz,fl oz, fluid ounce;foot= ft,′, foot| feet;gallon= gal,gal, gallon;gigabit= Gb,Gb, gigabit;gigabyte= GB,GB, gigabyte;gram= g,g, gram;hectare= ha,ha, hectare;hour= hr,h, hour;inch= in,″, inch| inches;kilobit= kb,kb, kilobit;kilobyte= kB,kB, kilobyte;kilogram= kg,kg, kilogram;kilometer= km,km, kilometer;liter= L,L, liter;megabit= Mb,Mb, megabit;megabyte= MB,MB, megabyte;meter= m,m, meter;microsecond= μs,μs, microsecond;mile= mi,mi, mile;mile-scandinavian= smi,smi, mile-scandinavian| miles-scandinavian;milliliter= mL,mL, milliliter;millimeter= mm,mm, millimeter;millisecond= ms,ms, millisecond;minute= min,m, minute;month= mth| mths,m, month;nanosecond= ns,ns, nanosecond;ounce= oz,oz, ounce;percent=%,%, percent| percent;petabyte= PB,PB, petabyte;pound= lb,#, pound;second= sec,s, second;stone= st,st, stone| stones;terabit= Tb,Tb, terabit;terabyte= TB,TB, terabyte;week= wk| wks,w, week;yard= yd,yd, yard;year= yr| yrs,y, year", `${unit}=`, ";")?.split(",");

function unitText(unit, display, category) {
  const [first, second] = unit.split("-per-");
  const isLong = display === "long";
  const text = (name, form, isOne) => {
    const [one, other = isLong ? `${one}s` : one] = unitTexts(name)[["short", "narrow", "long"].indexOf(form)].split("|");
    return isOne ? one : other;
  };
  const before = text(first, display, category === "one");
  if (second === undefined) return before;
  if (isLong) return `${before} per${text(second, "long", true)}`;
  if (first === "percent") $unsupported("a unit of percent is not supported");
  const miles = first === "mile" ? { gallon: "mpg", hour: "mph" }[second] : undefined;
  if (miles) return display === "short" ? ` ${miles}` : miles;
  if (second === "gallon" && display === "short") return `${before}/gal US`;
  const form = /^(?:day|hour|month|second|week|year)$/.test(second) ? "narrow" : /^(?:minute|foot|inch|pound)$/.test(second) ? "short" : display;
  return `${before}/${text(second, form, true).trim()}`;
}

class NumberFormat {
  #format;
  #options;
  #locale;

  // §15.1.1 Intl.NumberFormat, §15.1.3 SetNumberFormatDigitOptions.
  constructor(locales, given, service = "Intl.NumberFormat") {
    const locale = localeOf(locales);
    const from = readOptions(given, service);
    const read = (name, values, fallback) => pick(from, service, name, values, fallback);
    this.#locale = numberLocale(locale);
    const system = read("numberingSystem");
    if (system !== undefined && !/^[a-z\d]{3,8}(?:-[a-z\d]{3,8})*$/i.test(system)) throw new RangeError(`Invalid numberingSystem : ${system}`);
    if (system !== undefined && system !== "latn") $unsupported(`the numbering system \`${system}\` is not supported`);
    const style = read("style", ["decimal", "percent", "currency", "unit"], "decimal");
    const currency = read("currency");
    if (currency !== undefined && !/^[a-z]{3}$/i.test(currency)) throw new RangeError(`Invalid currency code : ${currency}`);
    if (style === "currency" && currency === undefined) throw new TypeError("Currency code is required with currency style.");
    const currencyDisplay = read("currencyDisplay", ["code", "symbol", "name", "narrowSymbol"], "symbol");
    const currencySign = read("currencySign", ["standard", "accounting"], "standard");
    const unit = read("unit");
    if (unit === undefined ? style === "unit" : unit.split("-per-").length > 2 || !unit.split("-per-").every(unitTexts))
      throw new (unit === undefined ? TypeError : RangeError)(`Invalid unit argument for Intl.NumberFormat() '${unit ?? ""}'`);
    const unitDisplay = read("unitDisplay", ["short", "narrow", "long"], "short");
    const options = { locale, numberingSystem: "latn", style };
    if (style === "currency") Object.assign(options, { currency: currency.toUpperCase(), currencyDisplay, currencySign });
    if (style === "unit") Object.assign(options, { unit, unitDisplay });
    const notation = read("notation", ["standard", "scientific", "engineering", "compact"], "standard");
    const digits = style === "currency" ? currencyDigits(options.currency) : undefined;
    const minimumIntegerDigits = integer(from.minimumIntegerDigits, "minimumIntegerDigits", 1, 21, 1);
    const { minimumFractionDigits: leastFraction, maximumFractionDigits: mostFraction, minimumSignificantDigits: least, maximumSignificantDigits: most } = from;
    const roundingIncrement = integer(from.roundingIncrement, "roundingIncrement", 1, 5000, 1);
    const roundingMode = read("roundingMode", ["ceil", "floor", "expand", "trunc", "halfCeil", "halfFloor", "halfExpand", "halfTrunc", "halfEven"], "halfExpand");
    const roundingPriority = read("roundingPriority", ["auto", "morePrecision", "lessPrecision"], "auto");
    const trailingZeroDisplay = read("trailingZeroDisplay", ["auto", "stripIfInteger"], "auto");
    if (roundingIncrement !== 1) $unsupported("the option `roundingIncrement` is not supported");
    if (roundingPriority !== "auto") $unsupported("the option `roundingPriority` is not supported");
    Object.assign(options, { minimumIntegerDigits });
    const [hasSignificant, hasFraction] = [least !== undefined || most !== undefined, leastFraction !== undefined || mostFraction !== undefined];
    const isCompact = notation === "compact" && !hasSignificant && !hasFraction;
    if (isCompact) Object.assign(options, { minimumSignificantDigits: 1, maximumSignificantDigits: 2, minimumFractionDigits: 0, maximumFractionDigits: 0 });
    else if (hasSignificant) {
      options.minimumSignificantDigits = integer(least, "minimumSignificantDigits", 1, 21, 1);
      options.maximumSignificantDigits = integer(most, "maximumSignificantDigits", options.minimumSignificantDigits, 21, 21);
    } else {
      const [leastDefault, mostDefault] = digits === undefined ? [0, style === "percent" ? 0 : 3] : [digits, digits];
      let low = integer(leastFraction, "minimumFractionDigits", 0, 20);
      let high = integer(mostFraction, "maximumFractionDigits", 0, 20);
      low ??= Math.min(leastDefault, high ?? 20);
      high ??= Math.max(mostDefault, low);
      if (low > high) throw new RangeError("maximumFractionDigits value is out of range.");
      Object.assign(options, { minimumFractionDigits: low, maximumFractionDigits: high });
    }
    const compactDisplay = read("compactDisplay", ["short", "long"], "short");
    const grouping = from.useGrouping;
    const groupingDefault = notation === "compact" ? "min2" : "auto";
    options.useGrouping = grouping === undefined || grouping === "true" || grouping === "false" ? groupingDefault
      : grouping === true ? "always" : !grouping ? false : pick(from, service, "useGrouping", ["min2", "auto", "always"]);
    options.notation = notation;
    if (notation === "compact") options.compactDisplay = compactDisplay;
    options.signDisplay = read("signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto");
    // As in V8.
    if (options.currencySign && options.signDisplay === "never") options.currencySign = "standard";
    Object.assign(options, { roundingMode, roundingIncrement, trailingZeroDisplay, roundingPriority: isCompact && trailingZeroDisplay === "auto" ? "morePrecision" : "auto" });
    const isSimple = notation === "standard" && style !== "unit" && (style !== "currency" || currencyDisplay === "symbol" || currencyDisplay === "code");
    if (!this.#locale.isEnglish && (!isSimple || (style === "currency" && isPastCurrency(options.currency)))) $unsupported(`this format of numbers is not supported for the locale ${locale}`);
    this.#options = options;
  }

  resolvedOptions() {
    return { ...this.#options };
  }

  get format() {
    return (this.#format ??= (value) => join(this.formatToParts(value)));
  }

  formatRange() {
    refuseRange();
  }

  formatRangeToParts() {
    refuseRange();
  }

  // §15.5.4 PartitionNumberPattern.
  formatToParts(value) {
    const options = this.#options;
    const { style, notation } = options;
    let number = decimal(value);
    if (style === "percent" && number.digits !== "") number = { ...number, point: number.point + 2 };
    let power = 0;
    // §15.5.12 ComputeExponent.
    const powerOf = ({ digits, point }) => {
      const magnitude = digits === "" ? 0 : point - 1;
      if (notation === "scientific") return magnitude;
      if (notation === "engineering") return 3 * Math.floor(magnitude / 3);
      return notation === "compact" ? 3 * Math.min(Math.max(Math.floor(magnitude / 3), 0), 4) : 0;
    };
    if (notation !== "standard" && number.digits !== "") {
      power = powerOf(number);
      const scaled = { ...number, point: number.point - power };
      const shown = this.#round(scaled);
      const next = shown.digits === "" || shown.point === scaled.point ? power : powerOf({ ...shown, point: shown.point + power });
      number = next === power ? shown : this.#round({ ...number, point: number.point - next });
      power = next;
    } else number = this.#round(number);
    const parts = number.special ? [{ type: number.special === "NaN" ? "nan" : "infinity", value: number.special }] : this.#digitParts(number, power);
    return this.#affix(parts, number, power);
  }

  // §15.5.8 ToRawPrecision, §15.5.9 ToRawFixed.
  #round(number) {
    const { maximumSignificantDigits: most, maximumFractionDigits: mostFraction, roundingMode } = this.#options;
    const fixed = number.point + (mostFraction ?? 0);
    // A format with both is that of compact numbers.
    return rounded(number, most === undefined || mostFraction === undefined ? most ?? fixed : Math.max(fixed, most), roundingMode);
  }

  #digitParts({ digits, point }, power) {
    const { style, currencyDisplay, currencySign, minimumIntegerDigits, minimumFractionDigits, minimumSignificantDigits, useGrouping, notation, compactDisplay, trailingZeroDisplay } = this.#options;
    const { group, point: separator, least, isIndian } = this.#locale;
    const whole = (point > 0 ? digits.slice(0, point).padEnd(point, "0") : "").padStart(minimumIntegerDigits, "0");
    let fraction = point > 0 ? digits.slice(point) : digits === "" ? "" : "0".repeat(-point) + digits;
    // The digits before the first one that is not 0 are not significant.
    const count = digits === "" ? 1 : point;
    fraction = fraction.padEnd(minimumFractionDigits ?? Math.max(minimumSignificantDigits - count, 0), "0");
    if (trailingZeroDisplay === "stripIfInteger" && /^0*$/.test(fraction)) fraction = "";
    const parts = [];
    const first = useGrouping === "always" ? 1 : useGrouping === "min2" ? 2 : least;
    const isGrouped = useGrouping !== false && whole.length >= 3 + first;
    const groups = [];
    for (let end = whole.length, size = 3; end > 0; end -= size, size = groups.length > 0 && isIndian && currencySign !== "accounting" ? 2 : 3) {
      if (!isGrouped) size = end;
      groups.unshift(whole.slice(Math.max(end - size, 0), end));
    }
    groups.forEach((text, at) => {
      if (at > 0) parts.push({ type: "group", value: group });
      parts.push({ type: "integer", value: text });
    });
    if (fraction !== "") parts.push({ type: "decimal", value: separator }, { type: "fraction", value: fraction });
    if (notation === "scientific" || notation === "engineering") {
      parts.push({ type: "exponentSeparator", value: "E" });
      if (power < 0) parts.push({ type: "exponentMinusSign", value: "-" });
      parts.push({ type: "exponentInteger", value: `${Math.abs(power)}` });
    } else if (power > 0) {
      const isLong = compactDisplay === "long" && (style !== "currency" || currencyDisplay === "name");
      if (isLong) parts.push({ type: "literal", value: " " });
      parts.push({ type: "compact", value: (isLong ? "thousand million billion trillion" : "K M B T").split(" ")[power / 3 - 1] });
    }
    return parts;
  }

  // The signs, the percent sign, the currency or the unit beside the digits. §15.5.11 GetNumberFormatPattern.
  #affix(parts, number, power) {
    const { style, notation, signDisplay, currency, currencyDisplay, currencySign, unit, unitDisplay } = this.#options;
    const { space, layout, parentheses, list } = this.#locale;
    const isZero = number.digits === "" && number.special !== "∞";
    const isSigned = { auto: number.isNegative, never: false, always: true, exceptZero: !isZero, negative: number.isNegative && !isZero }[signDisplay];
    const sign = !isSigned ? undefined : number.isNegative ? { type: "minusSign", value: "-" } : { type: "plusSign", value: "+" };
    const category = () => pluralOf(parts, power);
    if (style === "percent") parts = [...parts, ...(space ? [{ type: "literal", value: space }] : []), { type: notation === "compact" ? "unit" : "percentSign", value: "%" }];
    if (style === "unit") {
      const text = unitText(unit, unitDisplay, category());
      const value = text.trim();
      if (value !== text) parts.push({ type: "literal", value: " " });
      parts.push({ type: "unit", value });
    }
    if (style !== "currency") return sign ? [sign, ...parts] : parts;
    if (currencyDisplay === "name") {
      parts.push({ type: "literal", value: " " }, { type: "currency", value: currencyName(currency, category()) });
      return sign ? [sign, ...parts] : parts;
    }
    const value = currencyDisplay === "code" ? currency : currencySymbol(list, currency, currencyDisplay === "narrowSymbol");
    const gap = { type: "literal", value: "\xa0" };
    const isSpaced = layout !== "¤1" || (/[^\p{S}]$/u.test(value) && !number.special);
    parts = layout === "1 ¤" ? [...parts, gap, { type: "currency", value }] : [{ type: "currency", value }, ...(isSpaced ? [gap] : []), ...parts];
    if (currencySign === "accounting" && sign?.value === "-" && parentheses && (notation !== "compact" || power === 0)) return [{ type: "literal", value: "(" }, ...parts, { type: "literal", value: ")" }];
    return sign ? [sign, ...parts] : parts;
  }
}

// §16.5.2 PluralRuleSelect, for English: the category of a number in its parts.
function pluralOf(parts, power, type) {
  const text = parts.filter((part) => part.type === "integer" || part.type === "decimal" || part.type === "fraction").map((part) => part.value.replace(",", ".")).join("");
  if (text === "" || power !== 0) return "other";
  if (type !== "ordinal") return /^0*1$/.test(text) ? "one" : "other";
  const number = Number(text);
  const [ten, hundred] = [number % 10, number % 100];
  return ten === 1 && hundred !== 11 ? "one" : ten === 2 && hundred !== 12 ? "two" : ten === 3 && hundred !== 13 ? "few" : "other";
}

class PluralRules {
  #numbers;
  #options;

  // §16.1.1 Intl.PluralRules.
  constructor(locales, given) {
    const service = "Intl.PluralRules";
    const locale = englishOf(locales);
    const from = readOptions(given, service);
    const type = pick(from, service, "type", ["cardinal", "ordinal"], "cardinal");
    const { minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, minimumSignificantDigits, maximumSignificantDigits } = from;
    this.#numbers = new NumberFormat(locale, { minimumIntegerDigits, minimumFractionDigits, maximumFractionDigits, minimumSignificantDigits, maximumSignificantDigits });
    const digits = Object.entries(this.#numbers.resolvedOptions()).filter(([name]) => name.endsWith("Digits"));
    const pluralCategories = type === "ordinal" ? ["few", "one", "two", "other"] : ["one", "other"];
    // As in V8, the rules are those of the language.
    this.#options = { locale: "en", type, ...Object.fromEntries(digits), pluralCategories };
  }

  resolvedOptions() {
    return { ...this.#options, pluralCategories: [...this.#options.pluralCategories] };
  }

  selectRange() {
    refuseRange();
  }

  select(value) {
    return pluralOf(this.#numbers.formatToParts(Math.abs(Number(value))), 0, this.#options.type);
  }
}

// §17.5.2 PartitionRelativeTimePattern: a unit that is short, of one and of more, and narrow.
const relativeTexts = (unit) => find("year=yr.,yr.,y;quarter=qtr.,qtrs.,q;month=mo.,mo.,mo;week=wk.,wk.,w;day=day,days,d;hour=hr.,hr.,h;minute=min.,min.,m;second=sec.,sec.,s", `${unit}=`, ";")?.split(",");

// The word for the unit before this one, for this one or for the next one.
function relativeWord(unit, value, isLong) {
  if (unit === "day") return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[value];
  if (unit === "second") return value === 0 ? "now" : undefined;
  if (unit === "hour" || unit === "minute") return value === 0 ? `this ${unit}` : undefined;
  const which = { "-1": "last", 0: "this", 1: "next" }[value];
  return which && `${which} ${isLong ? unit : relativeTexts(unit)[0]}`;
}

class RelativeTimeFormat {
  #numbers;
  #options;

  // §17.1.1 Intl.RelativeTimeFormat.
  constructor(locales, given) {
    const service = "Intl.RelativeTimeFormat";
    const locale = englishOf(locales);
    const from = readOptions(given, service);
    const style = pick(from, service, "style", ["long", "short", "narrow"], "long");
    const numeric = pick(from, service, "numeric", ["always", "auto"], "always");
    this.#options = { locale, style, numeric, numberingSystem: "latn" };
    this.#numbers = new NumberFormat(locale);
  }

  resolvedOptions() {
    return { ...this.#options };
  }

  format(value, unit) {
    return join(this.#parts(value, unit, "format"));
  }

  formatToParts(value, unit) {
    return this.#parts(value, unit, "formatToParts");
  }

  #parts(given, name, method) {
    const { style, numeric } = this.#options;
    const value = Number(given);
    const unit = `${name}`.replace(/s$/, "");
    if (!Number.isFinite(value)) throw new RangeError(`Value need to be finite number for Intl.RelativeTimeFormat.prototype.${method}()`);
    const texts = relativeTexts(unit);
    if (!texts) throw new RangeError(`Invalid unit argument for Intl.RelativeTimeFormat.prototype.${method}() '${name}'`);
    // As in ICU, a word is also for what is nearer to its number than a hundredth.
    const hundredths = Math.trunc(value * 100 + (value < 0 ? -0.5 : 0.5));
    const word = numeric === "auto" && hundredths % 100 === 0 ? relativeWord(unit, hundredths / 100, style === "long") : undefined;
    if (word) return [{ type: "literal", value: word }];
    const parts = this.#numbers.formatToParts(Math.abs(value));
    const [one, other, narrow] = texts;
    const isOne = pluralOf(parts, 0) === "one";
    const text = style === "narrow" ? narrow : ` ${style === "short" ? (isOne ? one : other) : isOne ? unit : `${unit}s`}`;
    const isPast = value < 0 || Object.is(value, -0);
    const numbers = parts.map((part) => ({ ...part, unit }));
    return isPast ? [...numbers, { type: "literal", value: `${text} ago` }] : [{ type: "literal", value: "in " }, ...numbers, { type: "literal", value: text }];
  }
}

class ListFormat {
  #options;

  // §13.1.1 Intl.ListFormat.
  constructor(locales, given) {
    const service = "Intl.ListFormat";
    const locale = englishOf(locales);
    const from = readOptions(given, service, true);
    const type = pick(from, service, "type", ["conjunction", "disjunction", "unit"], "conjunction");
    const style = pick(from, service, "style", ["long", "short", "narrow"], "long");
    this.#options = { locale, type, style };
  }

  resolvedOptions() {
    return { ...this.#options };
  }

  format(list) {
    return join(this.formatToParts(list));
  }

  // §13.5.2 CreatePartsFromList.
  formatToParts(list) {
    const { type, style } = this.#options;
    const items = [];
    for (const item of list === undefined ? [] : list) {
      if (typeof item !== "string") throw new TypeError(`Iterable yielded ${typeof item === "object" && item ? "#<Object>" : String(item)} which is not a string`);
      items.push(item);
    }
    const word = type === "disjunction" ? "or" : type === "unit" || style === "narrow" ? "" : style === "long" ? "and" : "&";
    const comma = type === "unit" && style === "narrow" ? " " : ", ";
    const last = word === "" ? comma : items.length === 2 ? ` ${word} ` : `, ${word} `;
    const parts = [];
    for (const [at, value] of items.entries()) {
      const separator = at === 0 ? "" : at === items.length - 1 ? last : comma;
      // As in ICU, an empty element is left out.
      if (separator && parts.at(-1)?.type === "literal") parts.at(-1).value += separator;
      else if (separator) parts.push({ type: "literal", value: separator });
      if (value !== "") parts.push({ type: "element", value });
    }
    return parts;
  }
}

class Collator {
  #compare;
  #options;

  // §10.1.1 Intl.Collator.
  constructor(locales, given) {
    const service = "Intl.Collator";
    const locale = englishOf(locales);
    const from = readOptions(given, service);
    const usage = pick(from, service, "usage", ["sort", "search"], "sort");
    const numeric = from.numeric === undefined ? false : Boolean(from.numeric);
    const caseFirst = pick(from, service, "caseFirst", ["upper", "lower", "false"], "false");
    const sensitivity = pick(from, service, "sensitivity", ["base", "accent", "case", "variant"], "variant");
    if (usage === "search" || caseFirst !== "false" || from.ignorePunctuation) $unsupported("these options of Intl.Collator are not supported");
    this.#options = { locale, usage, sensitivity, ignorePunctuation: false, collation: "default", numeric, caseFirst };
  }

  resolvedOptions() {
    return { ...this.#options };
  }

  get compare() {
    const { numeric, sensitivity } = this.#options;
    const options = { numeric, sensitivity };
    return (this.#compare ??= (left, right) => `${left}`.localeCompare(`${right}`, "en-US", options));
  }
}

const nameAt = (names, at) => names.split(" ")[at];
const monthName = (at) => nameAt("January February March April May June July August September October November December", at);
const weekdayName = (at) => nameAt("Sunday Monday Tuesday Wednesday Thursday Friday Saturday", at);

// §11.1.2 CreateDateTimeFormat, table 16: the fields with their forms.
function dateFields() {
  const [numbers, names] = [["2-digit", "numeric"], ["narrow", "short", "long"]];
  const zones = ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"];
  const date = { weekday: names, era: names, year: numbers, month: [...numbers, ...names], day: numbers };
  return { ...date, dayPeriod: names, hour: numbers, minute: numbers, second: numbers, fractionalSecondDigits: undefined, timeZoneName: zones };
}

// The fields of a date that have a pattern which people read: a bit for each set of weekday (1), year (2), month (4)
// and day (8).
const DATE_FIELDS = 0b1111_0011_0101_0111;

// The dates in digits of locales other than en-US: their order, whether a month and a day always have two digits, what
// follows the date, and how hours are counted.
function dateLocale(locale) {
  if (isEnglish(locale)) return undefined;
  const table = "en-GB|d/m/y|2|, |h23;en-CA|y-m-d|2|, |h12;de-DE|d.m.y|1|, |h23;fr-FR|d/m/y|2| |h23;sv-SE|y-m-d|2| |h23";
  const row = table.split(";").find((one) => one.startsWith(`${locale}|`) || (locale.length === 2 && one.startsWith(`${locale}-`))) ?? $unsupported(`dates for the locale ${locale} are not supported`);
  const [name, order, digits, comma, cycle] = row.split("|");
  return { order: order.split(/[^dmy]/), separator: order[1], isPadded: digits === "2", comma, cycle, shortYear: name === "de-DE" ? "2-digit" : "numeric" };
}

class DateTimeFormat {
  #format;
  #options;
  #fields;
  #zone;
  #row;

  // §11.1.2 CreateDateTimeFormat.
  constructor(locales, given, required = "any", defaults = "date", service = "Intl.DateTimeFormat") {
    const locale = localeOf(locales);
    const row = (this.#row = dateLocale(locale));
    if (given === null) throw new TypeError("Cannot convert undefined or null to object");
    const from = readOptions(given, service);
    const read = (name, values, fallback) => pick(from, service, name, values, fallback);
    for (const [name, only] of [["calendar", "gregory"], ["numberingSystem", "latn"]]) {
      const value = read(name);
      if (value !== undefined && !/^[a-z\d]{3,8}(?:-[a-z\d]{3,8})*$/i.test(value)) throw new RangeError(`Invalid ${name} : ${value}`);
      if (value !== undefined && value !== only) $unsupported(`the option \`${name}\` is not supported: ${value}`);
    }
    const hour12 = from.hour12;
    const chosenCycle = read("hourCycle", ["h11", "h12", "h23", "h24"]);
    let hourCycle = chosenCycle ?? row?.cycle ?? "h12";
    // As in V8, `hour12: false` counts hours to 24 where they are counted to 12 without it.
    if (hour12 !== undefined) hourCycle = hour12 ? "h12" : row?.cycle === "h23" ? "h23" : "h24";
    this.#zone = zoneOf(from.timeZone === undefined ? "UTC" : `${from.timeZone}`);
    const fields = {};
    const forms = dateFields();
    for (const name of Object.keys(forms)) {
      const form = name === "fractionalSecondDigits" ? integer(from[name], name, 1, 3) : read(name, forms[name]);
      if (form !== undefined) fields[name] = form;
    }
    read("formatMatcher", ["basic", "best fit"]);
    const first = Object.keys(fields)[0];
    const styles = {};
    const chosen = ["dateStyle", "timeStyle"].map((name) => read(name, ["full", "long", "medium", "short"]));
    for (const [at, name] of ["dateStyle", "timeStyle"].entries()) {
      const style = chosen[at];
      if (style === undefined) continue;
      if (first) throw new TypeError(`Can't set option ${first} when ${name} is used`);
      if (required === (name === "dateStyle" ? "time" : "date")) throw new TypeError(`Invalid option : ${name}`);
      styles[name] = style;
    }
    if (fields.era || fields.dayPeriod) $unsupported(`the option \`${fields.era ? "era" : "dayPeriod"}\` of dates is not supported`);
    const { dateStyle, timeStyle } = styles;
    const has = (...names) => names.some((name) => fields[name] !== undefined);
    const needsDate = required === "time" || !has("weekday", "year", "month", "day");
    const needsTime = required === "date" || !has("hour", "minute", "second", "fractionalSecondDigits");
    const needsDefaults = needsDate && needsTime && !dateStyle && !timeStyle;
    if (needsDefaults && defaults !== "time") fields.year = fields.month = fields.day = "numeric";
    if (needsDefaults && defaults !== "date") fields.hour = fields.minute = fields.second = "numeric";
    if (dateStyle) {
      Object.assign(fields, { year: dateStyle === "short" ? "2-digit" : "numeric", month: dateStyle === "short" ? "numeric" : dateStyle === "medium" ? "short" : "long", day: "numeric" });
      if (dateStyle === "full") fields.weekday = "long";
    }
    if (row && dateStyle) Object.assign(fields, { year: row.shortYear, month: "2-digit", day: "2-digit" });
    if (timeStyle) {
      fields.hour = fields.minute = "numeric";
      if (timeStyle !== "short") fields.second = "numeric";
      if (timeStyle === "full" || timeStyle === "long") fields.timeZoneName = timeStyle === "full" ? "long" : "short";
    }
    if (row) {
      const forms = ["year", "month", "day", "hour", "minute", "second"].map((name) => (fields[name] === undefined ? "-" : fields[name] === "numeric" ? "n" : fields[name][0])).join("");
      // A date is in digits of one kind, and a time has an hour and a minute.
      if ((dateStyle ?? "short") !== "short" || has("weekday", "fractionalSecondDigits", "timeZoneName") || (hourCycle !== row.cycle && !(hour12 === false && row.cycle === "h12")) || (chosenCycle && chosenCycle !== "h23") ||
        !/^(?:---|nnn|n22|222)(?:---|nn[-n]|2[n2][-n2])$/.test(forms))
        $unsupported(`this format of dates is not supported for the locale ${locale}`);
      if (row.isPadded && fields.month) fields.month = fields.day = "2-digit";
    }
    const isClock = hourCycle === "h23" || hourCycle === "h24";
    const secondForm = fields.second;
    if (has("hour") && has("minute") && has("fractionalSecondDigits")) fields.second ??= "numeric";
    if (has("hour") && isClock) fields.hour = "2-digit";
    if (has("minute")) fields.minute = has("hour", "second") ? "2-digit" : "numeric";
    if (has("second")) fields.second = has("minute") ? "2-digit" : "numeric";
    const isLoneHour = has("hour") && isClock && !has("minute", "second");
    const set = ["weekday", "year", "month", "day"].reduce((bits, name, at) => bits | (has(name) ? 1 << at : 0), 0);
    // An hour needs a minute before a second, and a unit before a zone.
    if (!(DATE_FIELDS & (1 << set)) || (has("hour", "fractionalSecondDigits") && has("second") !== has("minute") && has("hour", "minute") && has("second", "fractionalSecondDigits")) ||
      (isLoneHour && has("timeZoneName")) || (has("hour") && has("fractionalSecondDigits") && !has("minute")) || (secondForm === "2-digit" && fields.second === "numeric" && has("fractionalSecondDigits")))
      $unsupported("this choice of fields of a date is not supported; format the parts and join them");
    this.#fields = fields;
    const cycle = has("hour") ? { hourCycle, hour12: !isClock } : {};
    const sorted = Object.fromEntries(Object.keys(forms).filter((name) => has(name)).map((name) => [name, fields[name]]));
    this.#options = { locale, calendar: "gregory", numberingSystem: "latn", timeZone: this.#zone.name, ...cycle, ...(dateStyle || timeStyle ? styles : sorted) };
  }

  resolvedOptions() {
    return { ...this.#options };
  }

  get format() {
    // As in V8, only the text has a common space.
    return (this.#format ??= (date) => join(this.formatToParts(date)).replace("\u202f", " "));
  }

  formatRange() {
    refuseRange();
  }

  formatRangeToParts() {
    refuseRange();
  }

  // §11.5.6 PartitionDateTimePattern.
  formatToParts(date) {
    const time = date === undefined ? Date.now() : Number(date);
    const clipped = new Date(time).getTime();
    if (Number.isNaN(clipped)) throw new RangeError("Invalid time value");
    const offset = this.#zone.offsetAt(clipped);
    const at = new Date(clipped + offset * 1000);
    if (at.getUTCFullYear() < 1) $unsupported("the text of a date before the year 1 for a locale is not supported; use toISOString()");
    const { hourCycle } = this.#options;
    const fields = this.#fields;
    const parts = [];
    const add = (type, value, separator = "") => {
      if (separator && parts.length > 0) parts.push({ type: "literal", value: separator });
      parts.push({ type, value });
    };
    const number = (form, value) => (form === "2-digit" ? `${value % 100}`.padStart(2, "0") : `${value}`);
    const named = (form, name) => (form === "long" ? name : name.slice(0, form === "short" ? 3 : 1));
    const { weekday, year, month, day, hour, minute, second, fractionalSecondDigits, timeZoneName } = fields;
    const isNumber = month === "numeric" || month === "2-digit";
    const hasDayBefore = weekday && day && !month;
    const dayName = weekday && named(weekday, weekdayName(at.getUTCDay()));
    if (weekday && !hasDayBefore) add("weekday", dayName);
    if (this.#row && year) {
      const { order, separator } = this.#row;
      const values = { d: ["day", number(day, at.getUTCDate())], m: ["month", number(month, at.getUTCMonth() + 1)], y: ["year", number(year, at.getUTCFullYear())] };
      for (const field of order) add(...values[field], separator);
    } else {
      if (month) add("month", isNumber ? number(month, at.getUTCMonth() + 1) : named(month, monthName(at.getUTCMonth())), ", ");
      if (day) add("day", number(day, at.getUTCDate()), isNumber ? "/" : " ");
      if (hasDayBefore) add("weekday", dayName, " ");
      if (year) add("year", number(year, at.getUTCFullYear()), isNumber ? "/" : day ? ", " : " ");
    }
    const isClock = hourCycle === "h23" || hourCycle === "h24";
    const hasSpace = weekday && !year && !month && !day && hour && !timeZoneName && (!isClock || minute);
    let separator = this.#row ? this.#row.comma : month === "long" ? " at " : hasSpace ? " " : ", ";
    const hours = at.getUTCHours();
    if (hour) {
      const shown = { h11: hours % 12, h12: ((hours + 11) % 12) + 1, h23: hours, h24: ((hours + 23) % 24) + 1 }[hourCycle];
      add("hour", number(hour, shown), separator);
      separator = ":";
    }
    if (minute) {
      add("minute", number(minute, at.getUTCMinutes()), separator);
      separator = ":";
    }
    if (second) {
      add("second", number(second, at.getUTCSeconds()), separator);
      separator = ".";
    }
    if (fractionalSecondDigits) {
      add("fractionalSecond", `${at.getUTCMilliseconds()}`.padStart(3, "0").slice(0, fractionalSecondDigits), separator);
      separator = ".";
    }
    if (hour && !isClock) add("dayPeriod", this.#row ? (hours < 12 ? "a.m." : "p.m.") : hours < 12 ? "AM" : "PM", "\u202f");
    if (timeZoneName) add("timeZoneName", this.#zone.text(timeZoneName, clipped, offset), hour || minute || second || fractionalSecondDigits ? " " : separator);
    return parts;
  }
}

// The rows of `zones.txt` of the zones that the program names. The compiler writes them here.
const zoneRows = () => "";

// A time zone: its name, its offset from UTC in seconds at a time, and its names there.
function zoneOf(name) {
  if (/^(?:etc\/)?(?:utc|uct|gmt|zulu|universal)$/i.test(name)) return new Zone("UTC|1|0|A||-1e13|UTC|Coordinated Universal Time");
  if (!/^[a-z\d/_+-]{2,}$/i.test(name)) throw new RangeError(`Invalid time zone specified: ${name}`);
  const rows = zoneRows().split("\n");
  const row = (one) => rows.find((text) => text.slice(0, text.search(/[=|]/)).toLowerCase() === one.toLowerCase());
  const found = row(name) ?? $unsupported(`the time zone \`${name}\` is not known here; the name of one that exists must be a text of the program`);
  return new Zone(found.includes("=") ? row(found.split("=")[1]) : found);
}

class Zone {
  #changes = [];
  #rule;
  #since;
  #names;

  constructor(row) {
    const [name, unit, offsetTexts, changes, rule, since, short, long] = row.split("|");
    this.name = name;
    const offsets = offsetTexts.split(",").map(Number);
    let time = 0;
    for (const [, delta, letter] of changes.matchAll(/([^A-Z]*)([A-Z])/g)) {
      time += delta === "" ? 0 : parseInt(delta, 36) * unit;
      this.#changes.push([time, offsets[letter.charCodeAt(0) - 65]]);
    }
    this.#rule = rule;
    this.#since = Number(since);
    this.#names = { offsets, short: short.split(","), long: long.split(",") };
  }

  offsetAt(ms) {
    const time = Math.floor(ms / 1000);
    const [rule, changes] = [this.#rule, this.#changes];
    if (this.name === "UTC") return 0;
    if (time < changes[0][0] || (rule === "-" && time >= 2114380800)) $unsupported(`the offset of ${this.name} at ${new Date(ms).toISOString()} is not known here`);
    let at = changes.length - 1;
    while (changes[at][0] > time) at--;
    if (at < changes.length - 1 || rule === "" || rule === "-") return changes[at][1];
    const [standard, daylight, ...days] = rule.split(",").map(Number);
    const year = new Date((time + standard) * 1000).getUTCFullYear();
    const begin = ([month, week, weekday, second], offset) => {
      const first = new Date(Date.UTC(year, month - 1, 1));
      const day = 1 + ((weekday - first.getUTCDay() + 7) % 7) + (week - 1) * 7;
      const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
      return Date.UTC(year, month - 1, day > last ? day - 7 : day) / 1000 + second - offset;
    };
    const [from, to] = [begin(days.slice(0, 4), standard), begin(days.slice(4), daylight)];
    return (from < to ? from <= time && time < to : time < to || from <= time) ? daylight : standard;
  }

  // The name at a time of this offset, as an option `timeZoneName` wants it. Without a name it is the offset.
  text(form, ms, offset) {
    const names = this.#names;
    if (form === "short" || form === "long") {
      if (ms < this.#since * 1000) $unsupported(`the name of ${this.name} at ${new Date(ms).toISOString()} is not known here`);
      const name = names[form][names.offsets.indexOf(offset)];
      if (name) return name;
    } else if (form.endsWith("Generic") && this.name !== "UTC") $unsupported(`the option \`timeZoneName: ${form}\` is not supported`);
    const isLong = form.startsWith("long");
    const digits = (value, isPadded) => (isPadded ? `${value}`.padStart(2, "0") : `${value}`);
    const [size, sign] = [Math.abs(offset), offset < 0 ? "-" : "+"];
    const [hours, minutes, seconds] = [Math.floor(size / 3600), Math.floor(size / 60) % 60, size % 60];
    const rest = `${isLong || minutes + seconds > 0 ? `:${digits(minutes, true)}` : ""}${seconds > 0 ? `:${digits(seconds, true)}` : ""}`;
    return `GMT${sign}${digits(hours, isLong)}${rest}`;
  }
}

const Intl = {
  NumberFormat: expose(NumberFormat, true),
  DateTimeFormat: expose(DateTimeFormat, true),
  Collator: expose(Collator, true),
  PluralRules: expose(PluralRules, false),
  RelativeTimeFormat: expose(RelativeTimeFormat, false),
  ListFormat: expose(ListFormat, false),
};
for (const name of Object.keys(Intl)) Object.defineProperty(Intl, name, { enumerable: false });
Object.defineProperty(Intl, Symbol.toStringTag, { value: "Intl", configurable: true });

// The method that is called: the compiler writes this around one that may need what the machine does not have. ECMA-402
// §20.2.1 Number.prototype.toLocaleString, §20.4 Properties of the Date Prototype Object.
function localized(method) {
  if (method === Number.prototype.toLocaleString) return numberText;
  for (const [name, required, defaults] of [["toLocaleString", "any", "all"], ["toLocaleDateString", "date", "date"], ["toLocaleTimeString", "time", "time"]])
    if (method === Date.prototype[name]) return dateText(required, defaults, `Date.prototype.${name}`);
  return method;
}

function numberText(locales, options) {
  return new NumberFormat(locales, options, "Number.prototype.toLocaleString").format(this);
}

function dateText(required, defaults, service) {
  return function (locales, options) {
    const time = Date.prototype.getTime.call(this);
    // As in V8, an invalid date has a text whatever its options are.
    if (Number.isNaN(time)) return "Invalid Date";
    return new DateTimeFormat(locales, options, required, defaults, service).format(time);
  };
}

export { Intl, localized as ".toLocaleString", localized as ".toLocaleDateString", localized as ".toLocaleTimeString" };
