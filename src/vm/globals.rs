//! The built-ins by name: what a program may call, construct or read without declaring it. The compiler refuses every
//! other name; the machine implements exactly these.

/// Functions called by name (`CALL_NATIVE`), which are also values (`BUILTIN`).
pub const FUNCTIONS: &[&str] = &[
    "Array",
    "Array.from",
    "Array.isArray",
    "Array.of",
    "Boolean",
    "Date.now",
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
    "Object.entries",
    "Object.freeze",
    "Object.fromEntries",
    "Object.hasOwn",
    "Object.is",
    "Object.isFrozen",
    "Object.keys",
    "Object.values",
    "String",
    "String.fromCharCode",
    "String.fromCodePoint",
    "console.debug",
    "console.error",
    "console.info",
    "console.log",
    "console.warn",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "structuredClone",
];

/// Classes: constructed by name (`NEW_NATIVE`), values (`BUILTIN`), right sides of `instanceof`. The errors are also callable.
pub const CLASSES: &[&str] = &[
    "Array",
    "Error",
    "EvalError",
    "Map",
    "Object",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "Set",
    "SyntaxError",
    "TimeoutError",
    "TypeError",
    "URIError",
];

/// Classes whose call without `new` makes the same object.
pub const CALLABLE_CLASSES: &[&str] = &[
    "Array",
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

/// What a program can ask of the outside besides `CC(prompt)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `call(tool, args?, options?)`
    Call,
    /// `CC.all(questions)`
    All,
    /// `sleep(ms)`
    Sleep,
    /// `sleepUntil(moment)`
    SleepUntil,
    /// `fs.readFile(path)`
    ReadFile,
    /// `fs.listFiles(path)`
    ListFiles,
    /// `fs.writeFile(path, text)`
    WriteFile,
}

impl Ask {
    /// All of them.
    pub const ALL: [Ask; 7] =
        [Ask::Call, Ask::All, Ask::Sleep, Ask::SleepUntil, Ask::ReadFile, Ask::ListFiles, Ask::WriteFile];

    /// As a program calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ask::Call => "call",
            Ask::All => "CC.all",
            Ask::Sleep => "sleep",
            Ask::SleepUntil => "sleepUntil",
            Ask::ReadFile => "fs.readFile",
            Ask::ListFiles => "fs.listFiles",
            Ask::WriteFile => "fs.writeFile",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Ask> {
        Ask::ALL.into_iter().find(|ask| ask.name() == name)
    }

    /// How many arguments it takes.
    #[must_use]
    pub fn arguments(self) -> std::ops::RangeInclusive<u16> {
        match self {
            Ask::Call => 1..=3,
            Ask::WriteFile => 2..=2,
            Ask::All | Ask::Sleep | Ask::SleepUntil | Ask::ReadFile | Ask::ListFiles => 1..=1,
        }
    }

    /// Whether its value is `undefined`, whatever is answered.
    #[must_use]
    pub fn says_nothing(self) -> bool {
        matches!(self, Ask::Sleep | Ask::SleepUntil | Ask::WriteFile)
    }
}

/// Options of a question.
pub const OPTIONS: &[&str] = &["choices", "schema", "key", "timeoutMs", "default"];

/// Names that stand for a built-in and are no function themselves.
pub const NAMESPACES: &[&str] = &["JSON", "Math", "console"];

/// Constants of namespaces and classes.
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

/// Methods and getters of built-in values, by the kind of receiver.
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
            "lastIndexOf",
            "length",
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
            "toLowerCase",
            "toString",
            "toUpperCase",
            "trim",
            "trimEnd",
            "trimStart",
            "valueOf",
        ],
    ),
    ("Number", &["toExponential", "toFixed", "toPrecision", "toString", "valueOf"]),
    ("Boolean", &["toString", "valueOf"]),
    ("Object", &["hasOwnProperty", "toString", "valueOf"]),
    ("Function", &["apply", "bind", "call", "length", "name"]),
    ("Map", &["clear", "delete", "entries", "forEach", "get", "has", "keys", "set", "size", "values"]),
    ("Set", &["add", "clear", "delete", "entries", "forEach", "has", "keys", "size", "values"]),
    ("RegExp", &["exec", "flags", "global", "lastIndex", "source", "test", "toString"]),
    ("Error", &["cause", "message", "name", "stack", "toString"]),
    ("Iterator", &["next"]),
];

/// Methods of Node's built-ins that the machine does not have: using such a name is refused unless the program defines it.
pub const MISSING_METHODS: &[&str] = &[
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "getOwnPropertyDescriptor",
    "getTime",
    "getFullYear",
    "isPrototypeOf",
    "isWellFormed",
    "localeCompare",
    "propertyIsEnumerable",
    "toISOString",
    "toLocaleDateString",
    "toLocaleLowerCase",
    "toLocaleString",
    "toLocaleUpperCase",
    "toWellFormed",
    "trimLeft",
    "trimRight",
    "symmetricDifference",
    "isSubsetOf",
    "isSupersetOf",
    "isDisjointFrom",
];

/// Properties that values of a kind have in Node and lack here. Reading one ends the program. The row "Object" concerns all values.
pub const MISSING: &[(&str, &[&str])] = &[
    (
        "Object",
        &[
            "__defineGetter__",
            "__defineSetter__",
            "__lookupGetter__",
            "__lookupSetter__",
            "isPrototypeOf",
            "propertyIsEnumerable",
            "toLocaleString",
        ],
    ),
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
    ("RegExp", &["compile", "hasIndices", "unicodeSets"]),
    (
        "Set",
        &["difference", "intersection", "isDisjointFrom", "isSubsetOf", "isSupersetOf", "symmetricDifference", "union"],
    ),
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
            "isWellFormed",
            "italics",
            "link",
            "localeCompare",
            "normalize",
            "small",
            "strike",
            "sub",
            "sup",
            "toLocaleLowerCase",
            "toLocaleUpperCase",
            "toWellFormed",
            "trimLeft",
            "trimRight",
        ],
    ),
];

/// The same, of names that a program's data may well have too: only their call is refused.
pub const MISSING_CALLS: &[&str] = &[
    "anchor",
    "big",
    "blink",
    "bold",
    "catch",
    "compile",
    "difference",
    "finally",
    "fixed",
    "fontcolor",
    "fontsize",
    "intersection",
    "italics",
    "link",
    "normalize",
    "small",
    "strike",
    "sub",
    "sup",
    "then",
    "union",
];
