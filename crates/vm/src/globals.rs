//! The built-ins by name: the names that a program may call, construct or read without declaring them. The compiler
//! refuses all other names, and the machine implements exactly these.

/// Functions called by name (`CALL_NATIVE`) or used as values (`BUILTIN`). `natives` cites the standard for each.
pub const FUNCTIONS: &[&str] = &[
    "Array",
    "Array.from",
    "Array.isArray",
    "Array.of",
    "Boolean",
    "Date",
    "Date.UTC",
    "Date.now",
    "Date.parse",
    "JSON.parse",
    "JSON.stringify",
    "Math.abs",
    "Math.acos",
    "Math.acosh",
    "Math.asin",
    "Math.asinh",
    "Math.atan",
    "Math.atan2",
    "Math.atanh",
    "Math.cbrt",
    "Math.ceil",
    "Math.clz32",
    "Math.cos",
    "Math.cosh",
    "Math.exp",
    "Math.expm1",
    "Math.floor",
    "Math.fround",
    "Math.hypot",
    "Math.imul",
    "Math.log",
    "Math.log10",
    "Math.log1p",
    "Math.log2",
    "Math.max",
    "Math.min",
    "Math.pow",
    "Math.random",
    "Math.round",
    "Math.sign",
    "Math.sin",
    "Math.sinh",
    "Math.sqrt",
    "Math.tan",
    "Math.tanh",
    "Math.trunc",
    "Number",
    "Number.isFinite",
    "Number.isInteger",
    "Number.isNaN",
    "Number.isSafeInteger",
    "Number.parseFloat",
    "Number.parseInt",
    "Object",
    "Object.assign",
    "Object.create",
    "Object.defineProperties",
    "Object.defineProperty",
    "Object.entries",
    "Object.freeze",
    "Object.fromEntries",
    "Object.getOwnPropertyDescriptor",
    "Object.getOwnPropertyDescriptors",
    "Object.getOwnPropertyNames",
    "Object.getOwnPropertySymbols",
    "Object.getPrototypeOf",
    "Object.hasOwn",
    "Object.is",
    "Object.isExtensible",
    "Object.isFrozen",
    "Object.isSealed",
    "Object.keys",
    "Object.preventExtensions",
    "Object.seal",
    "Object.setPrototypeOf",
    "Object.values",
    "Promise.all",
    "Promise.allSettled",
    "Promise.any",
    "Promise.race",
    "Promise.reject",
    "Promise.resolve",
    "Promise.withResolvers",
    "String",
    "String.fromCharCode",
    "String.fromCodePoint",
    "String.raw",
    "atob",
    "btoa",
    "clearTimeout",
    "console.assert",
    "console.count",
    "console.countReset",
    "console.debug",
    "console.dir",
    "console.error",
    "console.group",
    "console.groupCollapsed",
    "console.groupEnd",
    "console.info",
    "console.log",
    "console.table",
    "console.time",
    "console.timeEnd",
    "console.timeLog",
    "console.warn",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "queueMicrotask",
    "setTimeout",
    "structuredClone",
];

/// Classes: constructed by name (`NEW_NATIVE`), values (`BUILTIN`), right operands of `instanceof`. The errors are also
/// callable.
pub const CLASSES: &[&str] = &[
    "AggregateError",
    "Array",
    "CancelledError",
    "Date",
    "Error",
    "EvalError",
    "Map",
    "Object",
    "Promise",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "Set",
    "SyntaxError",
    "TimeoutError",
    "TypeError",
    "URIError",
    "WeakMap",
    "WeakSet",
];

/// Classes whose call without `new` creates the same object.
pub const CALLABLE_CLASSES: &[&str] = &[
    "AggregateError",
    "Array",
    "CancelledError",
    "Error",
    "EvalError",
    "Object",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "SyntaxError",
    "TimeoutError",
    "TypeError",
    "URIError",
];

/// The host functions other than `CC(prompt)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFunction {
    /// `call(tool, args?, options?)`
    Call,
    /// `CC.all(questions)`
    All,
    /// `sleep(ms)`
    Sleep,
    /// `sleepUntil(time)`
    SleepUntil,
    /// `fs.readFile(path)`
    ReadFile,
    /// `fs.listFiles(path)`
    ListFiles,
    /// `fs.writeFile(path, text)`
    WriteFile,
}

impl HostFunction {
    /// All of them.
    pub const ALL: [HostFunction; 7] = [
        HostFunction::Call,
        HostFunction::All,
        HostFunction::Sleep,
        HostFunction::SleepUntil,
        HostFunction::ReadFile,
        HostFunction::ListFiles,
        HostFunction::WriteFile,
    ];

    /// The name in a program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HostFunction::Call => "call",
            HostFunction::All => "CC.all",
            HostFunction::Sleep => "sleep",
            HostFunction::SleepUntil => "sleepUntil",
            HostFunction::ReadFile => "fs.readFile",
            HostFunction::ListFiles => "fs.listFiles",
            HostFunction::WriteFile => "fs.writeFile",
        }
    }

    /// The host function of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<HostFunction> {
        HostFunction::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Permitted numbers of arguments.
    #[must_use]
    pub fn arity(self) -> std::ops::RangeInclusive<u16> {
        match self {
            HostFunction::Call => 1..=3,
            HostFunction::WriteFile => 2..=2,
            HostFunction::All
            | HostFunction::Sleep
            | HostFunction::SleepUntil
            | HostFunction::ReadFile
            | HostFunction::ListFiles => 1..=1,
        }
    }

    /// Whether the value of a call of this kind is `undefined` whatever the answer is.
    #[must_use]
    pub fn is_without_value(kind: &str) -> bool {
        matches!(kind, "timer" | "fs.writeFile")
    }

    /// Whether its value is `undefined` whatever the answer is.
    #[must_use]
    pub fn returns_undefined(self) -> bool {
        matches!(self, HostFunction::Sleep | HostFunction::SleepUntil | HostFunction::WriteFile)
    }
}

/// Options of a call.
pub const CALL_OPTIONS: &[&str] = &["choices", "schema", "key", "timeoutMs", "default", "cost", "signal"];

/// Names of built-in objects that are not functions.
pub const NAMESPACES: &[&str] = &["JSON", "Math", "console"];

/// The prototypes of the realm: the same for all executions, so no program can change them. Deviation:
/// `Function.prototype` is not a function.
pub const PROTOTYPES: &[&str] = &[
    "AggregateError.prototype",
    "Array.prototype",
    "AsyncGenerator.prototype",
    "Boolean.prototype",
    "CancelledError.prototype",
    "Date.prototype",
    "Error.prototype",
    "EvalError.prototype",
    "Function.prototype",
    "Generator.prototype",
    "Iterator.prototype",
    "Map.prototype",
    "Number.prototype",
    "Object.prototype",
    "Promise.prototype",
    "RangeError.prototype",
    "ReferenceError.prototype",
    "RegExp.prototype",
    "Set.prototype",
    "String.prototype",
    "Symbol.prototype",
    "SyntaxError.prototype",
    "TimeoutError.prototype",
    "TypeError.prototype",
    "URIError.prototype",
    "WeakMap.prototype",
    "WeakSet.prototype",
];

/// Symbols, each also an expression of a program.
pub const SYMBOLS: &[&str] = &["Symbol.asyncIterator", "Symbol.iterator"];

/// Constants of namespaces and classes. ECMA-262 §19.1 Value Properties of the Global Object, §21.1.2 Properties of the
/// Number Constructor, §21.3.1 Value Properties of the Math Object.
pub const CONSTANTS: &[(&str, f64)] = &[
    ("Infinity", f64::INFINITY),
    ("Math.E", std::f64::consts::E),
    ("Math.LN10", std::f64::consts::LN_10),
    ("Math.LN2", std::f64::consts::LN_2),
    ("Math.LOG10E", std::f64::consts::LOG10_E),
    ("Math.LOG2E", std::f64::consts::LOG2_E),
    ("Math.PI", std::f64::consts::PI),
    ("Math.SQRT1_2", std::f64::consts::FRAC_1_SQRT_2),
    ("Math.SQRT2", std::f64::consts::SQRT_2),
    ("NaN", f64::NAN),
    ("Number.EPSILON", f64::EPSILON),
    ("Number.MAX_SAFE_INTEGER", 9_007_199_254_740_991.0),
    ("Number.MAX_VALUE", f64::MAX),
    ("Number.MIN_SAFE_INTEGER", -9_007_199_254_740_991.0),
    ("Number.MIN_VALUE", 5e-324),
    ("Number.NEGATIVE_INFINITY", f64::NEG_INFINITY),
    ("Number.NaN", f64::NAN),
    ("Number.POSITIVE_INFINITY", f64::INFINITY),
];

/// Methods and properties of built-in values, by kind of receiver.
pub const METHODS: &[(&str, &[&str])] = &[
    (
        "Array",
        &[
            "at",
            "concat",
            "copyWithin",
            "entries",
            "every",
            "fill",
            "filter",
            "find",
            "findIndex",
            "findLast",
            "findLastIndex",
            "flat",
            "flatMap",
            "forEach",
            "includes",
            "indexOf",
            "join",
            "keys",
            "lastIndexOf",
            "length",
            "map",
            "pop",
            "push",
            "reduce",
            "reduceRight",
            "reverse",
            "shift",
            "slice",
            "some",
            "sort",
            "splice",
            "toReversed",
            "toSorted",
            "toSpliced",
            "toString",
            "unshift",
            "values",
            "with",
        ],
    ),
    (
        "String",
        &[
            "at",
            "charAt",
            "charCodeAt",
            "codePointAt",
            "concat",
            "endsWith",
            "includes",
            "indexOf",
            "isWellFormed",
            "lastIndexOf",
            "length",
            "localeCompare",
            "match",
            "matchAll",
            "padEnd",
            "padStart",
            "repeat",
            "replace",
            "replaceAll",
            "search",
            "slice",
            "split",
            "startsWith",
            "substr",
            "substring",
            "toLocaleLowerCase",
            "toLocaleUpperCase",
            "toLowerCase",
            "toString",
            "toUpperCase",
            "toWellFormed",
            "trim",
            "trimEnd",
            "trimStart",
            "valueOf",
        ],
    ),
    ("Number", &["toExponential", "toFixed", "toLocaleString", "toPrecision", "toString", "valueOf"]),
    ("Boolean", &["toString", "valueOf"]),
    ("Object", &["hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"]),
    ("Function", &["apply", "bind", "call", "length", "name"]),
    ("Map", &["clear", "delete", "entries", "forEach", "get", "has", "keys", "set", "size", "values"]),
    (
        "Set",
        &[
            "add",
            "clear",
            "delete",
            "difference",
            "entries",
            "forEach",
            "has",
            "intersection",
            "isDisjointFrom",
            "isSubsetOf",
            "isSupersetOf",
            "keys",
            "size",
            "symmetricDifference",
            "union",
            "values",
        ],
    ),
    ("RegExp", &["exec", "flags", "global", "lastIndex", "source", "test", "toString"]),
    (
        "Date",
        &[
            "getDate",
            "getDay",
            "getFullYear",
            "getHours",
            "getMilliseconds",
            "getMinutes",
            "getMonth",
            "getSeconds",
            "getTime",
            "getTimezoneOffset",
            "getUTCDate",
            "getUTCDay",
            "getUTCFullYear",
            "getUTCHours",
            "getUTCMilliseconds",
            "getUTCMinutes",
            "getUTCMonth",
            "getUTCSeconds",
            "setDate",
            "setFullYear",
            "setHours",
            "setMilliseconds",
            "setMinutes",
            "setMonth",
            "setSeconds",
            "setTime",
            "setUTCDate",
            "setUTCFullYear",
            "setUTCHours",
            "setUTCMilliseconds",
            "setUTCMinutes",
            "setUTCMonth",
            "setUTCSeconds",
            "toDateString",
            "toISOString",
            "toJSON",
            "toLocaleDateString",
            "toLocaleString",
            "toLocaleTimeString",
            "toString",
            "toTimeString",
            "toUTCString",
            "valueOf",
        ],
    ),
    ("Error", &["cause", "message", "name", "stack", "toString"]),
    ("Iterator", &["next"]),
    ("Promise", &["catch", "finally", "then"]),
    ("Generator", &["next", "return", "throw"]),
    ("AsyncGenerator", &["next", "return", "throw"]),
];

/// Methods of Node's built-ins that the machine lacks. A use of such a name is refused unless the program defines it.
pub const UNSUPPORTED_METHODS: &[&str] =
    &["__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "trimLeft", "trimRight"];

/// Properties that values of a kind have in Node and lack here. A read throws. The row "Object" applies to
/// all values.
pub const UNSUPPORTED_PROPERTIES: &[(&str, &[&str])] = &[
    ("Object", &["__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"]),
    ("Date", &["getYear", "setYear", "toGMTString", "toTemporalInstant"]),
    ("Function", &["constructor"]),
    (
        "Iterator",
        &[
            "constructor",
            "drop",
            "every",
            "filter",
            "find",
            "flatMap",
            "forEach",
            "map",
            "reduce",
            "some",
            "take",
            "toArray",
        ],
    ),
    ("RegExp", &["compile"]),
    (
        "String",
        &[
            "anchor",
            "big",
            "blink",
            "bold",
            "fixed",
            "fontcolor",
            "fontsize",
            "italics",
            "link",
            "normalize",
            "small",
            "strike",
            "sub",
            "sup",
            "trimLeft",
            "trimRight",
        ],
    ),
];

/// More such methods, whose names may well be names of a program's data: only calls of them are refused.
pub const UNSUPPORTED_CALLS: &[&str] = &[
    "anchor",
    "big",
    "blink",
    "bold",
    "compile",
    "fixed",
    "fontcolor",
    "fontsize",
    "italics",
    "link",
    "normalize",
    "small",
    "strike",
    "sub",
    "sup",
];
