//! The registry of operations: one number, one name and one stack effect each. A number is never given to another
//! operation, because programs of every version that ever shipped must still run.
//!
//! Stack effects are written `( before -- after )`, the top of the stack at the right. "Slot" is a slot of the current
//! frame, "cell" a heap entry that holds one variable which a closure shares. The wire form of an argument stands at the
//! end of each line; `program.rs` decodes it.

macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)*) => {
        /// An operation as the wire numbers it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op {
            $($(#[$doc])* $variant = $code,)*
        }

        impl Op {
            /// Every operation, in order of number.
            pub const ALL: &'static [Op] = &[$(Op::$variant,)*];

            /// The operation of this number, if there is one.
            #[must_use]
            pub fn from_code(code: u64) -> Option<Op> {
                match code {
                    $($code => Some(Op::$variant),)*
                    _ => None,
                }
            }

            /// Its name in listings.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Op::$variant => $name,)*
                }
            }
        }
    };
}

registry! {
    // ---- constants and the operand stack ----
    /// `( -- value )` Pushes a constant. arg: constant (JSON primitive, `{"$undefined":true}`, `{"$number":…}`, `{"$text":…}`).
    Push = 1 "PUSH",
    /// `( a -- )`
    Pop = 2 "POP",
    /// `( -- value )` Reads a slot; an uninitialised one throws ReferenceError. arg: slot number, or a name (a global by name).
    Load = 3 "LOAD",
    /// `( value -- )` Writes a slot, initialised or not. arg: slot number, or a name (a global by name, created when missing).
    Store = 4 "STORE",
    /// `( a b -- text )` String(a) + String(b).
    Concat = 5 "CONCAT",
    /// `( prompt [options] -- answer )` Asks and suspends: prompt (and options) are popped when it asks, the answer is
    /// pushed when it comes. arg: absent or 1 = prompt only, 2 = with options.
    Cc = 6 "CC",
    /// `( value -- )` Prints one value as one line.
    Print = 7 "PRINT",
    /// `( a -- a a )`
    Dup = 8 "DUP",
    /// `( a b -- a b a b )`
    Dup2 = 9 "DUP2",
    /// `( a b -- b a )`
    Swap = 10 "SWAP",
    /// `( a b -- b a b )` Keeps the top below its neighbour (`o.x++` as a value).
    DupX1 = 11 "DUP_X1",
    /// `( a b c -- c a b c )` The same below two (`o[k]++` as a value).
    DupX2 = 12 "DUP_X2",

    // ---- jumps; arg: absolute instruction index ----
    /// `( -- )` Goes there.
    Jump = 16 "JUMP",
    /// `( a -- )` Goes there if `a` is truthy.
    JumpIf = 17 "JUMP_IF",
    /// `( a -- )` Goes there if `a` is falsy.
    JumpIfN = 18 "JUMP_IFN",
    /// Truthy: jumps, `( a -- a )`; else falls through, `( a -- )`. For `||`.
    JumpIfKeep = 19 "JUMP_IF_KEEP",
    /// Falsy: jumps, `( a -- a )`; else falls through, `( a -- )`. For `&&`.
    JumpIfNKeep = 20 "JUMP_IFN_KEEP",
    /// Neither null nor undefined: jumps, `( a -- a )`; else falls through, `( a -- )`. For `??`.
    JumpSomeKeep = 21 "JUMP_SOME_KEEP",
    /// Null or undefined: jumps, `( a -- )`; else falls through, `( a -- a )`. For `?.`.
    JumpNullish = 22 "JUMP_NULLISH",
    /// Not undefined: jumps, `( a -- a )`; else falls through, `( a -- )`. For defaults.
    JumpDefinedKeep = 23 "JUMP_DEFINED_KEEP",

    // ---- operators ----
    /// `( a b -- bool )` `===`
    Eq = 32 "EQ",
    /// `( a b -- bool )` `!==`
    Neq = 33 "NEQ",
    /// `( a b -- bool )` `<`
    Lt = 34 "LT",
    /// `( a b -- bool )` `>`
    Gt = 35 "GT",
    /// `( a b -- bool )` `<=`
    Le = 36 "LE",
    /// `( a b -- bool )` `>=`
    Ge = 37 "GE",
    /// `( a b -- bool )` `==`
    LooseEq = 38 "LOOSE_EQ",
    /// `( a b -- bool )` `!=`
    LooseNeq = 39 "LOOSE_NEQ",
    /// `( a b -- c )` `+`, of numbers or texts.
    Add = 40 "ADD",
    /// `( a b -- c )`
    Sub = 41 "SUB",
    /// `( a b -- c )`
    Mul = 42 "MUL",
    /// `( a b -- c )`
    Div = 43 "DIV",
    /// `( a b -- c )` `%`
    Mod = 44 "MOD",
    /// `( a b -- c )` `**`
    Pow = 45 "POW",
    /// `( a b -- c )`
    BitAnd = 46 "BIT_AND",
    /// `( a b -- c )`
    BitOr = 47 "BIT_OR",

    // ---- call and return, in the seed's numbers ----
    /// `( f arg… -- result )` `this` is undefined. arg: argc, or `{"argc":n,"text":"as written","wait"?:"await"}`: the text for "… is not
    /// a function", and the immediate use of the value (`Wait`), which every call of the program's functions may carry.
    Call = 48 "CALL",
    /// `( result -- )` Leaves the frame and pushes the result in the caller's; in the global frame the program completes with it.
    Return = 49 "RETURN",

    // ---- operators, continued ----
    /// `( a b -- c )`
    BitXor = 50 "BIT_XOR",
    /// `( a b -- c )` `<<`
    Shl = 51 "SHL",
    /// `( a b -- c )` `>>`
    Shr = 52 "SHR",
    /// `( a b -- c )` `>>>`
    UShr = 53 "USHR",
    /// `( a -- b )` unary `-`
    Neg = 54 "NEG",
    /// `( a -- number )` unary `+`; also what `x++` leaves behind.
    ToNumber = 55 "TO_NUMBER",
    /// `( a -- bool )` `!`
    Not = 56 "NOT",
    /// `( a -- b )` `~`
    BitNot = 57 "BIT_NOT",
    /// `( a -- text )`
    TypeOf = 58 "TYPEOF",
    /// `( key object -- bool )`
    In = 59 "IN",
    /// `( value class -- bool )`
    InstanceOf = 60 "INSTANCEOF",
    /// `( a -- number )` ToNumber(a) + 1
    Inc = 61 "INC",
    /// `( a -- number )` ToNumber(a) - 1
    Dec = 62 "DEC",
    /// `( a -- text )` String(a), for template literals.
    ToText = 63 "TO_TEXT",

    // ---- arrays and objects ----
    /// `( v1 … vn -- array )` arg: n.
    Array = 64 "ARRAY",
    /// `( k1 v1 … kn vn -- object )` arg: n, the number of pairs.
    Map = 65 "MAP",
    /// `( object key -- value )`
    GetIndex = 66 "GET_INDEX",
    /// `( object key value -- value )`
    SetIndex = 67 "SET_INDEX",
    /// `( object -- value )` arg: name.
    GetProp = 68 "GET_PROP",
    /// `( object value -- value )` arg: name.
    SetProp = 69 "SET_PROP",
    /// `( object key -- bool )` `delete`
    Delete = 70 "DELETE",
    /// `( object value -- object )` Defines an own property of a literal. arg: name.
    InitProp = 71 "INIT_PROP",
    /// `( object key value -- object )` The same with a computed key.
    InitIndex = 72 "INIT_INDEX",
    /// `( array value -- array )` Appends to a literal.
    Append = 73 "APPEND",
    /// `( array iterable -- array )` Appends everything it iterates over. arg: absent or `{"text":"as written"}`, in a literal.
    Spread = 74 "SPREAD",
    /// `( object source -- object )` Copies the own enumerable properties; null and undefined have none.
    SpreadProps = 75 "SPREAD_PROPS",
    /// `( source k1 … kn -- object )` A new object of the source's own enumerable properties but those keys. arg: n.
    RestProps = 76 "REST_PROPS",
    /// `( -- regexp )` A new regular expression. arg: `{"pattern":text,"flags":text}`.
    RegExp = 77 "REGEXP",
    /// `( value -- value )` Throws TypeError when it is null or undefined (before an object pattern takes it apart).
    /// arg: absent or `{"text":"property 'x' of 'y'"}` (for "Cannot destructure … as it is undefined").
    RequireObject = 78 "REQUIRE_OBJECT",

    // ---- calls ----
    /// `( receiver arg… -- result )` Calls the receiver's method with it as `this`. arg: `{"name":…,"argc":n,"text"?:"as written"}`.
    CallMethod = 80 "CALL_METHOD",
    /// `( arg… -- result )` Calls a built-in function by its name (`Math.max`, `console.log`). arg: `{"name":…,"argc":n}`.
    CallNative = 81 "CALL_NATIVE",
    /// `( this f arg… -- result )` arg: argc, or `{"argc":n,"text":"as written"}`.
    CallThis = 82 "CALL_THIS",
    /// `( f array -- result )` The array's elements are the arguments. arg: absent or `{"text":…}`.
    CallSpread = 83 "CALL_SPREAD",
    /// `( receiver array -- result )` arg: `{"name":…,"text"?:…}`.
    CallMethodSpread = 84 "CALL_METHOD_SPREAD",
    /// `( this f array -- result )` arg: absent or `{"text":…}`.
    CallThisSpread = 85 "CALL_THIS_SPREAD",
    /// `( array -- result )` arg: `{"name":…}`.
    CallNativeSpread = 86 "CALL_NATIVE_SPREAD",
    /// `( class arg… -- object )` `new` of a program's class. arg: argc, or `{"argc":n,"text":"as written"}`.
    New = 87 "NEW",
    /// `( class array -- object )` arg: absent or `{"text":…}`.
    NewSpread = 88 "NEW_SPREAD",
    /// `( arg… -- object )` `new` of a built-in by its name (`Error`, `Map`, `Array`). arg: `{"name":…,"argc":n}`.
    NewNative = 89 "NEW_NATIVE",
    /// `( array -- object )` arg: `{"name":…}`.
    NewNativeSpread = 90 "NEW_NATIVE_SPREAD",
    /// `( -- builtin )` A built-in used as a value (`list.map(String)`, `e instanceof TypeError`). arg: name.
    Builtin = 91 "BUILTIN",
    /// `( arg… -- answer )` Asks the outside and suspends, as CC does: a tool, several questions at once, a timer, files. The
    /// arguments are popped when it asks, the answer is pushed when it comes; what needs no waiting goes on at once.
    /// arg: `{"name":"call" | "CC.all" | "sleep" | "sleepUntil" | "fs.readFile" | "fs.listFiles" | "fs.writeFile","argc":n}`.
    Ask = 92 "ASK",

    // ---- functions and variables ----
    /// `( -- )` First instruction of a compiled program: describes the global frame. arg: function description.
    Enter = 96 "ENTER",
    /// `( -- closure )` arg: function description.
    Function = 97 "FUNCTION",
    /// `( -- this )`
    This = 98 "THIS",
    /// `( -- )` slot := a fresh cell, uninitialised. arg: slot.
    NewCell = 99 "NEW_CELL",
    /// `( -- value )` Value of the cell in a slot; an uninitialised one throws ReferenceError. arg: slot.
    LoadCell = 100 "LOAD_CELL",
    /// `( value -- )` Assigns the cell in a slot; an uninitialised one throws ReferenceError. arg: slot.
    StoreCell = 101 "STORE_CELL",
    /// `( value -- )` Initialises the cell in a slot. arg: slot.
    InitCell = 102 "INIT_CELL",
    /// `( -- value )` Value of a captured cell; an uninitialised one throws ReferenceError. arg: index in the captures.
    LoadCapture = 103 "LOAD_CAPTURE",
    /// `( value -- )` Assigns a captured cell; an uninitialised one throws ReferenceError. arg: index in the captures.
    StoreCapture = 104 "STORE_CAPTURE",
    /// `( -- )` slot := a fresh cell with the value of the one it held (the next iteration of a `for` loop's `let`). arg: slot.
    CopyCell = 105 "COPY_CELL",
    /// `( value -- )` Assigns a slot; an uninitialised one throws ReferenceError. arg: slot.
    StoreChecked = 106 "STORE_CHECKED",
    /// `( -- )` slot := uninitialised. arg: slot.
    Uninit = 107 "UNINIT",
    /// `( -- )` slot := undefined, so that a finished loop keeps nothing alive. arg: slot.
    Clear = 108 "CLEAR",
    /// `( -- value )` Reads a slot of the global frame from any frame; uninitialised throws ReferenceError. arg: slot.
    LoadGlobal = 109 "LOAD_GLOBAL",
    /// `( value -- )` Assigns a slot of the global frame; uninitialised throws ReferenceError. arg: slot.
    StoreGlobal = 110 "STORE_GLOBAL",

    // ---- iteration; the iterator is a heap entry in a hidden slot ----
    /// `( iterable -- )` slot := an iterator over it (arrays are read live), or TypeError "… is not iterable". arg: slot, or `{"slot":n,"text":"as written"}`.
    Iter = 112 "ITER",
    /// Pushes the next value and falls through, `( -- value )`; at the end jumps, `( -- )`. arg: `{"slot":n,"target":index}`.
    IterNext = 113 "ITER_NEXT",
    /// `( object -- )` slot := an iterator over its keys as `for-in` gives them (none for null and undefined). arg: slot.
    Keys = 114 "KEYS",
    /// `( -- value )` The next value, or undefined at and after the end. arg: slot.
    IterTake = 115 "ITER_TAKE",
    /// `( -- array )` All that is left. arg: slot.
    IterRest = 116 "ITER_REST",

    // ---- errors ----
    /// `( value -- )` Throws it. Does not fall through.
    Throw = 118 "THROW",
    /// `( -- )` Throws a new error. Does not fall through. arg: `{"name":"TypeError","message":text}`.
    ThrowError = 119 "THROW_ERROR",

    // ---- classes ----
    /// `( [parent] constructor -- class )` Gives the constructor closure a prototype object with `constructor`, linked to the
    /// parent's when `derived`. arg: `{"derived":bool}`.
    Class = 120 "CLASS",
    /// `( class f -- class )` Defines a non-enumerable method on its prototype, or on itself when static; `f`'s home becomes
    /// the class. The name "constructor" never comes here. arg: `{"name":text,"static":bool}`.
    Method = 121 "METHOD",
    /// `( class f -- class )` Sets the closure that initialises the fields of a new object (it is called with it as `this`).
    Fields = 122 "FIELDS",
    /// `( -- undefined )` Calls the field initialiser of the running constructor's class, if any, with the current `this`.
    InitFields = 123 "INIT_FIELDS",
    /// `( arg… -- this )` `super(…)`: runs the parent's constructor on the new object, which becomes `this`. arg: argc.
    SuperCall = 124 "SUPER_CALL",
    /// `( array -- this )`
    SuperCallSpread = 125 "SUPER_CALL_SPREAD",
    /// `( -- value )` `super.name`, looked up above the home class (above the class itself in a static method). arg: name.
    SuperGet = 126 "SUPER_GET",

    /// `( -- )` Completes the program without a result. Does not fall through.
    Halt = 255 "HALT",
}

impl Op {
    /// Its number on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_numbers_are_kept() {
        let seed = [
            (1, "PUSH"),
            (2, "POP"),
            (3, "LOAD"),
            (4, "STORE"),
            (5, "CONCAT"),
            (6, "CC"),
            (7, "PRINT"),
            (255, "HALT"),
            (16, "JUMP"),
            (17, "JUMP_IF"),
            (18, "JUMP_IFN"),
            (32, "EQ"),
            (33, "NEQ"),
            (34, "LT"),
            (35, "GT"),
            (48, "CALL"),
            (49, "RETURN"),
            (64, "ARRAY"),
            (65, "MAP"),
            (66, "GET_INDEX"),
            (67, "SET_INDEX"),
        ];
        for (code, name) in seed {
            assert_eq!(Op::from_code(code).map(Op::name), Some(name));
        }
    }

    #[test]
    fn every_number_reads_back_as_itself() {
        for op in Op::ALL {
            assert_eq!(Op::from_code(u64::from(op.code())), Some(*op));
        }
        assert_eq!(Op::from_code(0), None);
        assert_eq!(Op::from_code(256), None);
    }
}
