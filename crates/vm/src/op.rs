//! The registry of operations: each has a number, a name and a stack effect. A number is never reused for another
//! operation, because programs of every released version must still run.
//!
//! Stack effects have the form `( before -- after )`, with the top of the stack at the right. A slot belongs to the
//! current frame. A cell is a heap entry with one variable that closures share. `arg:` precedes the wire form of the
//! argument, which `instruction_decoder.rs` decodes. A sentence that begins with `ECMA-262` cites the 2025 edition.

use super::globals::HostFunction;
use super::program::MemberKind;

/// Passes the rows of the registry to a macro: the operation, the operands of its decoded form, number, name, form of
/// the argument, and the operands that it pops and pushes when it falls through. A `noted` argument is an object only
/// where it has notes (`text`, `wait`). One of its `own` form is decoded and encoded by functions that know the
/// operation.
#[rustfmt::skip]
macro_rules! operations {
    ($with:ident) => { $with! {
    // ---- constants and the operand stack ----
    /// `( -- value )` Pushes a constant. arg: constant (JSON primitive, `{"$undefined":true}`, `{"$number":…}`,
    /// `{"$text":…}`).
    Push(constant: u32) = 1 "PUSH": 0 => 1,
    /// `( a -- )` Removes the top value.
    Pop = 2 "POP": 1 => 0,
    /// `( -- value )` Reads a slot. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.6 GetBindingValue.
    /// arg: slot number, or a name (a global by name).
    Load(slot: u16) = 3 "LOAD": 0 => 1,
    /// `( value -- )` Writes a slot, initialized or not. ECMA-262 §9.1.1.1.5 SetMutableBinding.
    /// arg: slot number, or a name (a global by name, created if missing).
    Store(slot: u16) = 4 "STORE": 1 => 0,
    /// `( a b -- text )` The concatenation of `String(a)` and `String(b)`. ECMA-262 §7.1.17 ToString.
    Concat = 5 "CONCAT": 2 => 1,
    /// `( prompt [options] -- answer )` Opens a cognitive call and suspends. The operands are popped when the call is
    /// opened. The answer is pushed when it arrives. arg: absent or 1 = prompt only, 2 = with options.
    Cc { options: bool } = 6 "CC" own: 1 + u32::from(options) => 1,
    /// `( value -- )` Prints one value as one line.
    Print = 7 "PRINT": 1 => 0,
    /// `( a -- a a )` Duplicates the top value.
    Dup = 8 "DUP": 1 => 2,
    /// `( a b -- a b a b )` Duplicates the two top values.
    Dup2 = 9 "DUP2": 2 => 4,
    /// `( a b -- b a )` Exchanges the two top values.
    Swap = 10 "SWAP": 2 => 2,
    /// `( a b -- b a b )` Duplicates the top value below the second (for `o.x++` as a value).
    DupX1 = 11 "DUP_X1": 2 => 3,
    /// `( a b c -- c a b c )` Duplicates the top value below the third (for `o[k]++` as a value).
    DupX2 = 12 "DUP_X2": 3 => 4,

    // ---- jumps; arg: absolute instruction index ----
    /// `( -- )` Jumps.
    Jump(to: u32) = 16 "JUMP": 0 => 0,
    /// `( a -- )` Jumps if `a` is truthy. ECMA-262 §7.1.2 ToBoolean.
    JumpIf(to: u32) = 17 "JUMP_IF": 1 => 0,
    /// `( a -- )` Jumps if `a` is falsy. ECMA-262 §7.1.2 ToBoolean.
    JumpIfN(to: u32) = 18 "JUMP_IFN": 1 => 0,
    /// If `a` is truthy, jumps, `( a -- a )`. Otherwise falls through, `( a -- )`. Used for `||`. ECMA-262 §13.13
    /// Binary Logical Operators.
    JumpIfKeep(to: u32) = 19 "JUMP_IF_KEEP": 1 => 0,
    /// If `a` is falsy, jumps, `( a -- a )`. Otherwise falls through, `( a -- )`. Used for `&&`. ECMA-262 §13.13 Binary
    /// Logical Operators.
    JumpIfNKeep(to: u32) = 20 "JUMP_IFN_KEEP": 1 => 0,
    /// If `a` is neither null nor undefined, jumps, `( a -- a )`. Otherwise falls through, `( a -- )`. Used for `??`.
    /// ECMA-262 §13.13 Binary Logical Operators.
    JumpSomeKeep(to: u32) = 21 "JUMP_SOME_KEEP": 1 => 0,
    /// If `a` is null or undefined, jumps, `( a -- )`. Otherwise falls through, `( a -- a )`. Used for `?.`.
    /// ECMA-262 §13.3.9 Optional Chains.
    JumpNullish(to: u32) = 22 "JUMP_NULLISH": 1 => 1,
    /// If `a` is not undefined, jumps, `( a -- a )`. Otherwise falls through, `( a -- )`. Used for default values.
    /// ECMA-262 §14.3.3.3 KeyedBindingInitialization.
    JumpDefinedKeep(to: u32) = 23 "JUMP_DEFINED_KEEP": 1 => 0,

    // ---- operators ----
    /// `( a b -- bool )` `a === b`. ECMA-262 §7.2.14 IsStrictlyEqual.
    Eq = 32 "EQ": 2 => 1,
    /// `( a b -- bool )` `a !== b`. ECMA-262 §7.2.14 IsStrictlyEqual.
    Neq = 33 "NEQ": 2 => 1,
    /// `( a b -- bool )` `a < b`. ECMA-262 §7.2.12 IsLessThan.
    Lt = 34 "LT": 2 => 1,
    /// `( a b -- bool )` `a > b`. ECMA-262 §7.2.12 IsLessThan.
    Gt = 35 "GT": 2 => 1,
    /// `( a b -- bool )` `a <= b`. ECMA-262 §7.2.12 IsLessThan.
    Le = 36 "LE": 2 => 1,
    /// `( a b -- bool )` `a >= b`. ECMA-262 §7.2.12 IsLessThan.
    Ge = 37 "GE": 2 => 1,
    /// `( a b -- bool )` `a == b`. ECMA-262 §7.2.13 IsLooselyEqual.
    LooseEq = 38 "LOOSE_EQ": 2 => 1,
    /// `( a b -- bool )` `a != b`. ECMA-262 §7.2.13 IsLooselyEqual.
    LooseNeq = 39 "LOOSE_NEQ": 2 => 1,
    /// `( a b -- c )` `a + b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Add = 40 "ADD": 2 => 1,
    /// `( a b -- c )` `a - b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Sub = 41 "SUB": 2 => 1,
    /// `( a b -- c )` `a * b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Mul = 42 "MUL": 2 => 1,
    /// `( a b -- c )` `a / b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Div = 43 "DIV": 2 => 1,
    /// `( a b -- c )` `a % b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Mod = 44 "MOD": 2 => 1,
    /// `( a b -- c )` `a ** b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Pow = 45 "POW": 2 => 1,
    /// `( a b -- c )` `a & b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    BitAnd = 46 "BIT_AND": 2 => 1,
    /// `( a b -- c )` `a | b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    BitOr = 47 "BIT_OR": 2 => 1,

    // ---- call and return ----
    /// `( f arg… -- result )` Calls a function. Its `this` is undefined. ECMA-262 §13.3.6.2 EvaluateCall. arg: argc, or
    /// `{"argc":n,"text":"as written","wait"?:"await"}`: the text is for "… is not a function"; `wait` is the immediate
    /// use of the value (`PromiseUse`), which every call of the program's functions may have.
    Call { argc: u16 } = 48 "CALL" noted: u32::from(argc) + 1 => 1,
    /// `( result -- )` Leaves the frame and pushes the result in the caller's frame. In the global frame the program
    /// completes with the result. ECMA-262 §14.10 The return Statement.
    Return = 49 "RETURN": 1 => 0,

    // ---- operators, continued ----
    /// `( a b -- c )` `a ^ b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    BitXor = 50 "BIT_XOR": 2 => 1,
    /// `( a b -- c )` `a << b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Shl = 51 "SHL": 2 => 1,
    /// `( a b -- c )` `a >> b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    Shr = 52 "SHR": 2 => 1,
    /// `( a b -- c )` `a >>> b`. ECMA-262 §13.15.3 ApplyStringOrNumericBinaryOperator.
    UShr = 53 "USHR": 2 => 1,
    /// `( a -- b )` Unary `-`. ECMA-262 §6.1.6.1.1 Number::unaryMinus.
    Neg = 54 "NEG": 1 => 1,
    /// `( a -- b )` The result of `x++`. ECMA-262 §7.1.3 ToNumeric.
    ToNumber = 55 "TO_NUMBER": 1 => 1,
    /// `( a -- bool )` `!a`. ECMA-262 §7.1.2 ToBoolean.
    Not = 56 "NOT": 1 => 1,
    /// `( a -- b )` `~a`. ECMA-262 §6.1.6.1.2 Number::bitwiseNOT.
    BitNot = 57 "BIT_NOT": 1 => 1,
    /// `( a -- text )` `typeof a`. ECMA-262 §13.5.3 The typeof Operator.
    TypeOf = 58 "TYPEOF": 1 => 1,
    /// `( key object -- bool )` `key in object`. ECMA-262 §7.3.11 HasProperty.
    In = 59 "IN": 2 => 1,
    /// `( value class -- bool )` `value instanceof class`. ECMA-262 §13.10.2 InstanceofOperator.
    InstanceOf = 60 "INSTANCEOF": 2 => 1,
    /// `( a -- b )` `ToNumeric(a) + 1`. ECMA-262 §13.4.4 Prefix Increment Operator.
    Inc = 61 "INC": 1 => 1,
    /// `( a -- b )` `ToNumeric(a) - 1`. ECMA-262 §13.4.5 Prefix Decrement Operator.
    Dec = 62 "DEC": 1 => 1,
    /// `( a -- text )` `String(a)`, for template literals. ECMA-262 §7.1.17 ToString.
    ToText = 63 "TO_TEXT": 1 => 1,

    // ---- arrays and objects ----
    /// `( v1 … vn -- array )` A new array of the values. ECMA-262 §13.2.4 Array Initializer. arg: n.
    Array(count: u32) = 64 "ARRAY": count => 1,
    /// `( k1 v1 … kn vn -- object )` A new object with the properties. ECMA-262 §13.2.5 Object Initializer. arg: n, the
    /// number of pairs.
    Map(count: u32) = 65 "MAP": 2 * count => 1,
    /// `( object key -- value )` `object[key]`. ECMA-262 §6.2.5.5 GetValue.
    GetIndex = 66 "GET_INDEX": 2 => 1,
    /// `( object key value -- value )` `object[key] = value`. ECMA-262 §6.2.5.6 PutValue.
    SetIndex = 67 "SET_INDEX": 3 => 1,
    /// `( object -- value )` `object.name`. ECMA-262 §6.2.5.5 GetValue. arg: name.
    GetProp(text: u32) = 68 "GET_PROP": 1 => 1,
    /// `( object value -- value )` `object.name = value`. ECMA-262 §6.2.5.6 PutValue. arg: name.
    SetProp(text: u32) = 69 "SET_PROP": 2 => 1,
    /// `( object key -- bool )` `delete object[key]`. ECMA-262 §13.5.1 The delete Operator.
    Delete = 70 "DELETE": 2 => 1,
    /// `( object value -- object )` Defines an own property of an object literal. ECMA-262 §7.3.6
    /// CreateDataPropertyOrThrow. arg: name.
    InitProp(text: u32) = 71 "INIT_PROP": 2 => 1,
    /// `( object key value -- object )` Defines an own property with a computed key. ECMA-262 §7.3.6
    /// CreateDataPropertyOrThrow.
    InitIndex = 72 "INIT_INDEX": 3 => 1,
    /// `( array value -- array )` Appends to an array literal. ECMA-262 §13.2.4.1 ArrayAccumulation.
    Append = 73 "APPEND": 2 => 1,
    /// `( array iterable -- array )` Appends all values of an iterable. ECMA-262 §13.2.4.1 ArrayAccumulation.
    /// arg: absent or `{"text":"as written"}`, in a literal.
    Spread = 74 "SPREAD" noted: 2 => 1,
    /// `( object source -- object )` Copies the own enumerable properties. Null and undefined have none. ECMA-262
    /// §7.3.25 CopyDataProperties.
    SpreadProps = 75 "SPREAD_PROPS": 2 => 1,
    /// `( source k1 … kn -- object )` A new object with the source's own enumerable properties except those keys.
    /// ECMA-262 §7.3.25 CopyDataProperties. arg: n.
    RestProps(count: u32) = 76 "REST_PROPS": count + 1 => 1,
    /// `( -- regexp )` A new regular expression. ECMA-262 §22.2.3.1 RegExpCreate. arg: `{"pattern":text,"flags":text}`.
    RegExp { pattern: u32, flags: u16 } = 77 "REGEXP": 0 => 1,
    /// `( value -- value )` Throws TypeError if the value is null or undefined, before destructuring by an object
    /// pattern. ECMA-262 §7.2.1 RequireObjectCoercible. arg: absent or `{"text":"property 'x' of 'y'"}` (for "Cannot
    /// destructure … as it is undefined").
    RequireObject = 78 "REQUIRE_OBJECT" noted: 1 => 1,

    // ---- calls ----
    /// `( receiver arg… -- result )` Calls a method of the receiver. Its `this` is the receiver. ECMA-262 §13.3.6.2
    /// EvaluateCall. arg: `{"name":…,"argc":n,"text"?:"as written"}`.
    CallMethod { name: u32, argc: u16 } = 80 "CALL_METHOD": u32::from(argc) + 1 => 1,
    /// `( arg… -- result )` Calls a built-in function by its name (`Math.max`, `console.log`). ECMA-262 §13.3.6.2
    /// EvaluateCall. arg: `{"name":…,"argc":n}`.
    CallNative { name: u32, argc: u16 } = 81 "CALL_NATIVE": u32::from(argc) => 1,
    /// `( this f arg… -- result )` Calls a function with a `this` value. ECMA-262 §13.3.6.2 EvaluateCall.
    /// arg: argc, or `{"argc":n,"text":"as written"}`.
    CallThis { argc: u16 } = 82 "CALL_THIS" noted: u32::from(argc) + 2 => 1,
    /// `( f array -- result )` As CALL. The array's elements are the arguments. ECMA-262 §13.3.6.2 EvaluateCall. arg:
    /// absent or `{"text":…}`.
    CallSpread = 83 "CALL_SPREAD" noted: 2 => 1,
    /// `( receiver array -- result )` As CALL_METHOD. The array's elements are the arguments. ECMA-262 §13.3.6.2
    /// EvaluateCall. arg: `{"name":…,"text"?:…}`.
    CallMethodSpread { name: u32 } = 84 "CALL_METHOD_SPREAD": 2 => 1,
    /// `( this f array -- result )` As CALL_THIS. The array's elements are the arguments. ECMA-262 §13.3.6.2
    /// EvaluateCall. arg: absent or `{"text":…}`.
    CallThisSpread = 85 "CALL_THIS_SPREAD" noted: 3 => 1,
    /// `( array -- result )` As CALL_NATIVE. The array's elements are the arguments. ECMA-262 §13.3.6.2 EvaluateCall.
    /// arg: `{"name":…}`.
    CallNativeSpread { name: u32 } = 86 "CALL_NATIVE_SPREAD": 1 => 1,
    /// `( class arg… -- object )` `new` of a program's class. ECMA-262 §7.3.14 Construct. arg: argc, or
    /// `{"argc":n,"text":"as written"}`.
    New { argc: u16 } = 87 "NEW" noted: u32::from(argc) + 1 => 1,
    /// `( class array -- object )` As NEW. The array's elements are the arguments. ECMA-262 §7.3.14 Construct. arg:
    /// absent or `{"text":…}`.
    NewSpread = 88 "NEW_SPREAD" noted: 2 => 1,
    /// `( arg… -- object )` `new` of a built-in by its name (`Error`, `Map`, `Array`). ECMA-262 §7.3.14 Construct. arg:
    /// `{"name":…,"argc":n}`.
    NewNative { name: u32, argc: u16 } = 89 "NEW_NATIVE": u32::from(argc) => 1,
    /// `( array -- object )` As NEW_NATIVE. The array's elements are the arguments. ECMA-262 §7.3.14 Construct. arg:
    /// `{"name":…}`.
    NewNativeSpread { name: u32 } = 90 "NEW_NATIVE_SPREAD": 1 => 1,
    /// `( -- builtin )` A built-in used as a value (`list.map(String)`, `e instanceof TypeError`). ECMA-262 §6.2.5.5
    /// GetValue. arg: name.
    Builtin { name: u32 } = 91 "BUILTIN" own: 0 => 1,
    /// `( arg… -- answer )` Calls a host function and suspends, as CC does: a tool, several calls at once, a timer,
    /// files. The arguments are popped when the call is opened. The answer is pushed when it arrives. A call with a
    /// result that is already known does not suspend. arg: `{"name":"call" | "CC.all" | "sleep" | "sleepUntil" |
    /// "fs.readFile" | "fs.listFiles" | "fs.writeFile" | "ask" | "tools","argc":n}`.
    Ask { function: HostFunction, argc: u16 } = 92 "ASK" own: u32::from(argc) => 1,

    // ---- functions and variables ----
    /// `( -- )` Describes the global frame. It is the first instruction of a compiled program. arg: function
    /// description.
    Enter = 96 "ENTER" own: 0 => 0,
    /// `( -- closure )` A new closure. ECMA-262 §10.2.3 OrdinaryFunctionCreate. arg: function description.
    Function(number: u32) = 97 "FUNCTION" own: 0 => 1,
    /// `( -- this )` `this`. A derived constructor throws ReferenceError until `super(…)` has returned. ECMA-262 §9.4.4
    /// ResolveThisBinding.
    This = 98 "THIS": 0 => 1,
    /// `( -- )` Stores a new uninitialized cell in a slot. ECMA-262 §9.1.1.1.2 CreateMutableBinding. arg: slot.
    NewCell(slot: u16) = 99 "NEW_CELL": 0 => 0,
    /// `( -- value )` Reads the cell in a slot. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.6
    /// GetBindingValue. arg: slot.
    LoadCell(slot: u16) = 100 "LOAD_CELL": 0 => 1,
    /// `( value -- )` Assigns the cell in a slot. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.5
    /// SetMutableBinding. arg: slot.
    StoreCell(slot: u16) = 101 "STORE_CELL": 1 => 0,
    /// `( value -- )` Initializes the cell in a slot. ECMA-262 §9.1.1.1.4 InitializeBinding. arg: slot.
    InitCell(slot: u16) = 102 "INIT_CELL": 1 => 0,
    /// `( -- value )` Reads a captured cell. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.6
    /// GetBindingValue. arg: index in the captures.
    LoadCapture(slot: u16) = 103 "LOAD_CAPTURE": 0 => 1,
    /// `( value -- )` Assigns a captured cell. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.5
    /// SetMutableBinding. arg: index in the captures.
    StoreCapture(slot: u16) = 104 "STORE_CAPTURE": 1 => 0,
    /// `( -- )` Stores in a slot a new cell with the value of its old one: the `let` of the next iteration of a `for`
    /// loop. ECMA-262 §14.7.4.4 CreatePerIterationEnvironment. arg: slot.
    CopyCell(slot: u16) = 105 "COPY_CELL": 0 => 0,
    /// `( value -- )` Assigns a slot. Throws ReferenceError if it is uninitialized. ECMA-262 §9.1.1.1.5
    /// SetMutableBinding. arg: slot.
    StoreChecked(slot: u16) = 106 "STORE_CHECKED": 1 => 0,
    /// `( -- )` Makes a slot uninitialized. ECMA-262 §9.1.1.1.2 CreateMutableBinding. arg: slot.
    Uninit(slot: u16) = 107 "UNINIT": 0 => 0,
    /// `( -- )` Sets a slot to undefined, so that a finished loop keeps no value alive. arg: slot.
    Clear(slot: u16) = 108 "CLEAR": 0 => 0,
    /// `( -- value )` Reads a slot of the global frame from any frame. Throws ReferenceError if it is uninitialized.
    /// ECMA-262 §9.1.1.1.6 GetBindingValue. arg: slot.
    LoadGlobal(slot: u16) = 109 "LOAD_GLOBAL": 0 => 1,
    /// `( value -- )` Assigns a slot of the global frame from any frame. Throws ReferenceError if it is uninitialized.
    /// ECMA-262 §9.1.1.1.5 SetMutableBinding. arg: slot.
    StoreGlobal(slot: u16) = 110 "STORE_GLOBAL": 1 => 0,

    // ---- iteration; the iterator is a heap entry in a hidden slot ----
    /// `( iterable -- )` Stores an iterator over the iterable in a slot, with `wait` an async one if it has one. An
    /// array is read live. Throws TypeError "… is not iterable". ECMA-262 §7.4.4 GetIterator. arg: slot, or
    /// `{"slot":n,"text":"as written","wait"?:"await"}`; `wait`: of `for await`.
    Iter(slot: u16) = 112 "ITER" noted: 1 => 0,
    /// Pushes the next value and falls through, `( -- value )`. At the end jumps, `( -- )`. ECMA-262 §7.4.10
    /// IteratorStepValue. arg: `{"slot":n,"target":index}`.
    IterNext { slot: u16, target: u32 } = 113 "ITER_NEXT": 0 => 1,
    /// `( object -- )` Stores an iterator over the object's keys in a slot, for `for-in`. Null and undefined have none.
    /// ECMA-262 §14.7.5.9 EnumerateObjectProperties. arg: slot.
    Keys(slot: u16) = 114 "KEYS": 1 => 0,
    /// `( -- value )` The next value, or undefined at and after the end. ECMA-262 §7.4.10 IteratorStepValue. arg: slot.
    IterTake(slot: u16) = 115 "ITER_TAKE": 0 => 1,
    /// `( -- array )` An array of all remaining values. ECMA-262 §7.4.10 IteratorStepValue. arg: slot.
    IterRest(slot: u16) = 116 "ITER_REST": 0 => 1,

    // ---- errors ----
    /// `( value -- )` Throws the value. Does not fall through. ECMA-262 §14.14 The throw Statement.
    Throw = 118 "THROW": 1 => 0,
    /// `( -- )` Throws a new error. Does not fall through. ECMA-262 §20.5.6.1.1 NativeError. arg:
    /// `{"name":"TypeError","message":text}`.
    ThrowError { name: u16, message: u32 } = 119 "THROW_ERROR": 0 => 0,

    // ---- classes ----
    /// `( [parent] constructor -- class )` Gives the constructor closure a prototype object with `constructor`. If
    /// `derived`, that object inherits from the parent's prototype object. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    /// arg: `{"derived":bool}`.
    Class { derived: bool } = 120 "CLASS": 1 + u32::from(derived) => 1,
    /// `( class f -- class )` Defines a non-enumerable method on the class's prototype object, or on the class itself
    /// if static. The class becomes the home of `f`. The name "constructor" is not allowed. ECMA-262 §10.2.8
    /// DefineMethodProperty. arg: `{"name":text,"static":bool}`.
    Method { name: u32, is_static: bool } = 121 "METHOD": 2 => 1,
    /// `( class f -- class )` Sets the closure that initializes the fields of a new object. Its `this` is the new
    /// object. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
    Fields = 122 "FIELDS": 2 => 1,
    /// `( -- undefined )` Calls the field initializer of the running constructor's class, if any, with the current
    /// `this`. ECMA-262 §7.3.33 InitializeInstanceElements.
    InitFields = 123 "INIT_FIELDS": 0 => 1,
    /// `( arg… -- this )` `super(…)`: runs the parent's constructor on the new object, which becomes `this`.
    /// ECMA-262 §13.3.7 The super Keyword. arg: argc.
    SuperCall { argc: u16 } = 124 "SUPER_CALL" noted: u32::from(argc) => 1,
    /// `( array -- this )` As SUPER_CALL. The array's elements are the arguments. ECMA-262 §13.3.7 The super Keyword.
    SuperCallSpread = 125 "SUPER_CALL_SPREAD": 1 => 1,
    /// `( -- value )` `super.name`, looked up above the home: the prototype of a class, the class itself in a static
    /// method, or an object literal.
    /// ECMA-262 §13.3.7.3 MakeSuperPropertyReference. arg: name.
    SuperGet(text: u32) = 126 "SUPER_GET": 0 => 1,
    /// `( key -- value )` As SUPER_GET, with a computed key. ECMA-262 §13.3.7.3 MakeSuperPropertyReference.
    SuperGetIndex = 140 "SUPER_GET_INDEX": 1 => 1,

    /// `( target key f -- target )` Defines a method, a getter or a setter of an object literal, or of a class, which
    /// becomes the home of `f`. A function without a name is named after the key. ECMA-262 §15.4.5
    /// MethodDefinitionEvaluation. arg: `{"kind":"method" | "get" | "set","static":bool,"private":bool}`; `static` of
    /// an object literal: it becomes the home of `f`, which uses `super`; `private`: the key is a private name.
    Define { kind: MemberKind, is_static: bool, private: bool } = 127 "DEFINE": 3 => 1,
    /// `( object name -- value )` `object.#name`. The private name is an object that the class created. ECMA-262
    /// §7.3.30 PrivateGet. arg: `{"name":"#x","text"?:"an instance of class A"}`; `text` is for "Receiver must be …",
    /// if the member is a method or accessor.
    PrivateGet(private_name: u32) = 128 "PRIVATE_GET": 2 => 1,
    /// `( object name value -- value )` `object.#name = value`. ECMA-262 §7.3.31 PrivateSet. arg: as PRIVATE_GET.
    PrivateSet(private_name: u32) = 129 "PRIVATE_SET": 3 => 1,
    /// `( object name value -- object )` Adds a private field. ECMA-262 §7.3.27 PrivateFieldAdd. arg: `{"name":"#x"}`.
    PrivateInit(private_name: u32) = 130 "PRIVATE_INIT": 3 => 1,
    /// `( object name -- bool )` `#name in object`. ECMA-262 §13.10.1 RelationalExpression. arg: `{"name":"#x"}`.
    PrivateIn(private_name: u32) = 131 "PRIVATE_IN": 2 => 1,
    /// `( -- class )` `new.target`: the class that `new` was applied to, or undefined. ECMA-262 §13.3.12 Meta
    /// Properties.
    NewTarget = 132 "NEW_TARGET": 0 => 1,

    // ---- promises ----
    /// `( value -- result )` `await value`. The function is suspended until the promise of the value is settled. Other
    /// jobs run meanwhile. A rejection is thrown here. Allowed in the global frame and in functions with `promise`.
    /// ECMA-262 §27.7.5.3 Await.
    Await = 133 "AWAIT": 1 => 1,
    /// `( arg… -- promise )` Opens a host call without waiting for it. The answer settles the promise. A call with a
    /// result that is already known is not opened. arg: as ASK; `"CC"` is a name too.
    Open { function: Option<HostFunction>, argc: u16 } = 134 "OPEN" own: u32::from(argc) => 1,

    // ---- generators and the iterator protocol ----
    /// `( -- )` Leaves the function; the value of its call is a new generator. The generator begins at the next
    /// instruction. Allowed in functions with `generator`. ECMA-262 §27.5.3.1 GeneratorStart, §27.6.3.2
    /// AsyncGeneratorStart.
    Generator = 135 "GENERATOR": 0 => 0,
    /// `( value -- received )` Suspends the generator with a value. `next(x)` continues with x, and `throw(e)` throws e
    /// here. `return(x)` drops all operands, pushes x and jumps, `( … value -- value )`. ECMA-262 §27.5.3.7
    /// GeneratorYield, §27.6.3.8 AsyncGeneratorYield. arg: `{"target":index}`.
    Yield { target: u32 } = 136 "YIELD": 1 => 1,
    /// `( result -- received mode )` For `yield*`: suspends the generator with the result of an inner iterator as it
    /// is; an async generator with the value in it. Mode: 0 for `next(received)`, 1 for `throw`, 2 for `return`.
    /// ECMA-262 §14.4.14 YieldExpression.
    Delegate = 137 "DELEGATE": 1 => 2,
    /// Closes the iterator in a slot, which becomes undefined. If the iterator has a method `return`, calls it and
    /// falls through, `( -- result )`. Otherwise jumps, `( -- )`. With `wait`, the result of an iterator that is not
    /// async is a promise. ECMA-262 §7.4.11 IteratorClose, §7.4.13 AsyncIteratorClose. arg:
    /// `{"slot":n,"target":index,"wait"?:"await"}`.
    IterReturn { slot: u16, target: u32 } = 138 "ITER_RETURN": 0 => 1,
    /// `( … value -- value )` Drops all other operands of the frame and jumps. Does not fall through. arg: instruction
    /// index.
    Leave(to: u32) = 139 "LEAVE": 1 => 1,

    /// `( a -- number )` Unary `+`. ECMA-262 §13.5.4 Unary + Operator.
    UnaryPlus = 141 "UNARY_PLUS": 1 => 1,

    // ---- completion ----
    /// `( -- )` Completes the program without a result. Does not fall through.
    Halt = 255 "HALT": 0 => 0,
    } };
}
pub(super) use operations;

/// Whether an instruction is one of these operations.
macro_rules! is_one_of {
    ($instruction:expr, $($op:ident)+) => { matches!($instruction, $($crate::op::DecodedInstruction::$op { .. })|+) };
}
pub(super) use is_one_of;

macro_rules! define_operations {
    ($($(#[$doc:meta])* $op:ident $(($operand:ident: $type:ty))? $({ $($field:ident: $field_type:ty),* })?
        = $code:literal $name:literal $($form:ident)?: $pops:expr => $pushes:expr,)*) => {
        /// An operation. The discriminant is its number in the wire form.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op {
            $($(#[$doc])* $op = $code,)*
        }

        /// A decoded instruction of eight bytes. Names and constants are indexes into the program's tables, jump
        /// targets are absolute, and `argc` counts arguments without receiver and callee.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the operation of the same name is documented")]
        pub enum DecodedInstruction {
            $($op $(($type))? $({ $($field: $field_type),* })?,)*
        }

        impl Op {
            /// All operations, in order of number.
            pub const ALL: &'static [Op] = &[$(Op::$op,)*];

            /// The operation with this number.
            #[must_use]
            pub fn from_code(code: u64) -> Option<Op> {
                match code {
                    $($code => Some(Op::$op),)*
                    _ => None,
                }
            }

            /// The name in listings.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Op::$op => $name,)*
                }
            }
        }

        impl DecodedInstruction {
            /// Operands popped and pushed when the instruction falls through.
            #[must_use]
            #[allow(unused_variables, reason = "few effects depend on operands")]
            pub fn stack_effect(self) -> (u32, u32) {
                match self {
                    $(DecodedInstruction::$op $(($operand))? $({ $($field),* })? => ($pops, $pushes),)*
                }
            }
        }
    };
}

operations!(define_operations);

impl Op {
    /// The number in the wire form.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_operation_codes_never_change() {
        let expected = [
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
        for (code, name) in expected {
            assert_eq!(Op::from_code(code).map(Op::name), Some(name));
        }
    }

    #[test]
    fn operation_codes_round_trip() {
        for op in Op::ALL {
            assert_eq!(Op::from_code(u64::from(op.code())), Some(*op));
        }
        assert_eq!(Op::from_code(0), None);
        assert_eq!(Op::from_code(256), None);
    }
}
