//! The built-ins by name: the names that a program may call, construct or read without declaring them. The compiler
//! refuses all other names, and the machine implements exactly these.

/// A list of names: those without an owner, and then the members of each owner. Or all owners with one member.
macro_rules! names {
    ($($name:ident)*; $($owner:ident { $($member:ident)* })*) => {
        &[$(stringify!($name),)* $($(concat!(stringify!($owner), ".", stringify!($member)),)*)*]
    };
    (.$member:ident: $($owner:ident)*) => { &[$(concat!(stringify!($owner), ".", stringify!($member))),*] };
}

/// Rows of an owner and its members.
macro_rules! members {
    ($($owner:ident { $($member:ident)* })*) => { &[$((stringify!($owner), &[$(stringify!($member)),*])),*] };
}

/// Functions called by name (`CALL_NATIVE`) or used as values (`BUILTIN`). `natives` cites the standard for each.
pub const FUNCTIONS: &[&str] = names! {
    Array BigInt Boolean Date Number Object String Symbol atob btoa clearTimeout decodeURI decodeURIComponent encodeURI
    encodeURIComponent isFinite isNaN parseFloat parseInt queueMicrotask setTimeout structuredClone;
    Array { from isArray of }
    ArrayBuffer { isView }
    BigInt { asIntN asUintN }
    Date { UTC now parse }
    Error { captureStackTrace }
    Float32Array { from of }
    Float64Array { from of }
    Int16Array { from of }
    Int32Array { from of }
    Int8Array { from of }
    Iterator { from }
    JSON { parse stringify }
    Math {
        abs acos acosh asin asinh atan atan2 atanh cbrt ceil clz32 cos cosh exp expm1 floor fround hypot imul log log10
        log1p log2 max min pow random round sign sin sinh sqrt tan tanh trunc
    }
    Number { isFinite isInteger isNaN isSafeInteger parseFloat parseInt }
    Object {
        assign create defineProperties defineProperty entries freeze fromEntries getOwnPropertyDescriptor
        getOwnPropertyDescriptors getOwnPropertyNames getOwnPropertySymbols getPrototypeOf hasOwn is isExtensible
        isFrozen isSealed keys preventExtensions seal setPrototypeOf values
    }
    Promise { all allSettled any race reject resolve withResolvers }
    String { fromCharCode fromCodePoint raw }
    Symbol { for keyFor }
    Uint16Array { from of }
    Uint32Array { from of }
    Uint8Array { from of }
    Uint8ClampedArray { from of }
    console {
        assert count countReset debug dir error group groupCollapsed groupEnd info log table time timeEnd timeLog warn
    }
};

/// Classes: constructed by name (`NEW_NATIVE`), values (`BUILTIN`), right operands of `instanceof`. The errors are also
/// callable.
pub const CLASSES: &[&str] = names! {
    AggregateError Array ArrayBuffer CancelledError DataView Date Error EvalError Float32Array Float64Array Function
    Int16Array Int32Array Int8Array Iterator Map Object Promise RangeError ReferenceError RegExp Set SyntaxError
    TimeoutError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet;
};

/// Classes whose call without `new` creates the same object.
pub const CALLABLE_CLASSES: &[&str] = names! {
    AggregateError Array CancelledError Error EvalError Object RangeError ReferenceError RegExp SyntaxError TimeoutError
    TypeError URIError;
};

named_enum! {
    /// The host functions other than `CC(prompt)`.
    pub enum HostFunction {
        /// `call(tool, args?, options?)`
        Call = "call",
        /// `CC.all(questions)`
        All = "CC.all",
        /// `sleep(ms)`
        Sleep = "sleep",
        /// `sleepUntil(time)`
        SleepUntil = "sleepUntil",
        /// `fs.readFile(path)`
        ReadFile = "fs.readFile",
        /// `fs.listFiles(path)`
        ListFiles = "fs.listFiles",
        /// `fs.writeFile(path, text)`
        WriteFile = "fs.writeFile",
        /// `ask(prompt, options?)`: `CC` under its other name.
        Question = "ask",
        /// `tools.name(args, options?)`, as `name`, `args`, `options`. Its value is a promise, also of its own errors.
        Tool = "tools",
    }
}

impl HostFunction {
    /// Permitted numbers of arguments.
    #[must_use]
    pub fn arity(self) -> std::ops::RangeInclusive<u16> {
        match self {
            HostFunction::Call => 1..=3,
            HostFunction::WriteFile => 2..=2,
            HostFunction::Question => 1..=2,
            HostFunction::Tool => 2..=3,
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
pub const PROTOTYPES: &[&str] = names! {
    .prototype:
    AggregateError Array ArrayBuffer AsyncGenerator BigInt Boolean CancelledError DataView Date Error EvalError Float32Array
    Float64Array Function Generator Int16Array Int32Array Int8Array Iterator Map Number Object Promise RangeError
    ReferenceError RegExp Set String Symbol SyntaxError TimeoutError TypeError URIError Uint16Array Uint32Array
    Uint8Array Uint8ClampedArray WeakMap WeakSet
};

/// Symbols, each also an expression of a program.
pub const SYMBOLS: &[&str] = names! {
    ;
    Symbol { asyncDispose asyncIterator dispose hasInstance iterator toPrimitive toStringTag }
};

/// Constants of namespaces and classes. ECMA-262 §19.1 Value Properties of the Global Object, §23.2.6.1
/// _TypedArray_.BYTES_PER_ELEMENT, §21.1.2 Properties of the
/// Number Constructor, §21.3.1 Value Properties of the Math Object.
pub const CONSTANTS: &[(&str, f64)] = &[
    ("Float32Array.BYTES_PER_ELEMENT", 4.0),
    ("Float64Array.BYTES_PER_ELEMENT", 8.0),
    ("Infinity", f64::INFINITY),
    ("Int16Array.BYTES_PER_ELEMENT", 2.0),
    ("Int32Array.BYTES_PER_ELEMENT", 4.0),
    ("Int8Array.BYTES_PER_ELEMENT", 1.0),
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
    ("Uint16Array.BYTES_PER_ELEMENT", 2.0),
    ("Uint32Array.BYTES_PER_ELEMENT", 4.0),
    ("Uint8Array.BYTES_PER_ELEMENT", 1.0),
    ("Uint8ClampedArray.BYTES_PER_ELEMENT", 1.0),
];

/// Methods and properties of built-in values, by kind of receiver.
pub const METHODS: &[(&str, &[&str])] = members! {
    Array {
        at concat copyWithin entries every fill filter find findIndex findLast findLastIndex flat flatMap forEach
        includes indexOf join keys lastIndexOf length map pop push reduce reduceRight reverse shift slice some sort
        splice toReversed toSorted toSpliced toString unshift values with
    }
    String {
        at charAt charCodeAt codePointAt concat endsWith includes indexOf isWellFormed lastIndexOf length localeCompare
        match matchAll normalize padEnd padStart repeat replace replaceAll search slice split startsWith substr
        substring toLocaleLowerCase toLocaleUpperCase toLowerCase toString toUpperCase toWellFormed trim trimEnd
        trimLeft trimRight trimStart valueOf
    }
    Number { toExponential toFixed toLocaleString toPrecision toString valueOf }
    Boolean { toString valueOf }
    Symbol { description toString valueOf }
    BigInt { toLocaleString toString valueOf }
    Object { hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf }
    Function { apply bind call length name }
    Map { clear delete entries forEach get has keys set size values }
    Set {
        add clear delete difference entries forEach has intersection isDisjointFrom isSubsetOf isSupersetOf keys size
        symmetricDifference union values
    }
    RegExp { exec flags global lastIndex source test toString }
    Date {
        getDate getDay getFullYear getHours getMilliseconds getMinutes getMonth getSeconds getTime getTimezoneOffset
        getUTCDate getUTCDay getUTCFullYear getUTCHours getUTCMilliseconds getUTCMinutes getUTCMonth getUTCSeconds
        setDate setFullYear setHours setMilliseconds setMinutes setMonth setSeconds setTime setUTCDate setUTCFullYear
        setUTCHours setUTCMilliseconds setUTCMinutes setUTCMonth setUTCSeconds toDateString toISOString toJSON
        toLocaleDateString toLocaleString toLocaleTimeString toString toTimeString toUTCString valueOf
    }
    Error { cause message name stack toString }
    Iterator { drop every filter find flatMap forEach map next reduce some take toArray }
    Promise { catch finally then }
    Generator { next return throw }
    AsyncGenerator { next return throw }
    ArrayBuffer { byteLength slice }
    DataView {
        buffer byteLength byteOffset getFloat32 getFloat64 getInt16 getInt32 getInt8 getUint16 getUint32 getUint8
        setFloat32 setFloat64 setInt16 setInt32 setInt8 setUint16 setUint32 setUint8
    }
    TypedArray {
        at buffer byteLength byteOffset copyWithin entries every fill filter find findIndex findLast findLastIndex
        forEach includes indexOf join keys lastIndexOf length map reduce reduceRight reverse set slice some sort
        subarray toReversed toSorted toString values with
    }
};

/// Methods of Node's built-ins that the machine lacks. A use of such a name is refused unless the program defines it.
pub const UNSUPPORTED_METHODS: &[&str] =
    &["__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"];

/// Properties that values of a kind have in Node and lack here. A read throws. The row "Object" applies to
/// all values.
pub const UNSUPPORTED_PROPERTIES: &[(&str, &[&str])] = members! {
    Object { __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ }
    ArrayBuffer { resize }
    DataView { getBigInt64 getBigUint64 setBigInt64 setBigUint64 }
    Date { getYear setYear toGMTString toTemporalInstant }
    RegExp { compile }
    String {
        anchor big blink bold fixed fontcolor fontsize italics link small strike sub sup
    }
};

/// More such methods, whose names may well be names of a program's data: only calls of them are refused.
pub const UNSUPPORTED_CALLS: &[&str] = names! {
    anchor big blink bold compile fixed fontcolor fontsize italics link small strike sub sup;
};
