//// plain functions as constructors
function Point(x, y) {
  this.x = x;
  this.y = y;
}
Point.prototype.norm = function() {
  return Math.hypot(this.x, this.y);
};
const point = new Point(3, 4);
console.log(point, point.norm(), point instanceof Point, Point.prototype.constructor === Point);
console.log(Object.keys(point), Object.keys(Point.prototype), Object.getOwnPropertyNames(Point.prototype));
for (const key in point) console.log("in", key);
function Point3(x, y, z) {
  Point.call(this, x, y);
  this.z = z;
}
Point3.prototype = Object.create(Point.prototype);
Point3.prototype.constructor = Point3;
Point3.prototype.sum = function() {
  return this.x + this.y + this.z;
};
const solid = new Point3(1, 2, 3);
console.log(solid.sum(), solid.norm().toFixed(3), solid instanceof Point, Point.prototype.isPrototypeOf(solid));
console.log(Object.getPrototypeOf(solid) === Point3.prototype, Object.getPrototypeOf(Object.getPrototypeOf(solid)) === Point.prototype);
//// prototypes of classes
class Animal {
  name;
  constructor(name) {
    this.name = name;
  }
  speak() {
    return `${this.name} makes a sound`;
  }
  get loud() {
    return this.speak().toUpperCase();
  }
  static create(name) {
    return new this(name);
  }
}
class Dog extends Animal {
  speak() {
    return `${this.name} barks`;
  }
}
const rex = Dog.create("Rex");
console.log(rex.loud, rex.constructor.name, Object.getPrototypeOf(rex) === Dog.prototype, Object.getPrototypeOf(Dog) === Animal);
console.log(Object.getOwnPropertyNames(Animal.prototype), Object.keys(Animal.prototype), JSON.stringify(Animal.prototype));
console.log(Animal.prototype.speak.call({ name: "Nobody" }), "speak" in rex, rex.hasOwnProperty("speak"));
Animal.prototype.legs = 4;
console.log(rex.legs, Object.keys(Animal.prototype), rex);
console.log(Object.getPrototypeOf(Object.getPrototypeOf(Animal.prototype)), Dog.prototype);
class Stack extends Array {
}
console.log(Object.getPrototypeOf(Stack.prototype) === Array.prototype, new Stack() instanceof Array, Object.getPrototypeOf(Stack) === Array);
class Lost extends RangeError {
}
console.log(Object.getPrototypeOf(Lost.prototype) === RangeError.prototype, Object.getPrototypeOf(RangeError.prototype) === Error.prototype);
const Mixed = (Base) => class extends Base {
  tag() {
    return "mixed " + this.name;
  }
};
class Cat extends Mixed(Animal) {
}
console.log(new Cat("Tom").tag(), new Cat("Tom").speak());
Object.assign(Animal.prototype, { extra() {
  return "extra " + this.name;
} });
console.log(rex.extra());
//// prototypes of built-ins
console.log(Array.prototype.slice.call([1, 2, 3], 1), Object.prototype.toString.call([]), typeof Array.prototype.map);
console.log([
  Object.getPrototypeOf([]) === Array.prototype,
  Object.getPrototypeOf({}) === Object.prototype,
  Object.getPrototypeOf("") === String.prototype,
  Object.getPrototypeOf(1) === Number.prototype,
  Object.getPrototypeOf(() => 1) === Function.prototype,
  Object.getPrototypeOf(Object.prototype),
  Object.getPrototypeOf(/* @__PURE__ */ new Map()) === Map.prototype,
  Object.getPrototypeOf(new TypeError("")) === TypeError.prototype,
  Object.getPrototypeOf(Promise.resolve()) === Promise.prototype
]);
console.log(Object.prototype.isPrototypeOf([]), Array.prototype.isPrototypeOf([]), Map.prototype.isPrototypeOf(/* @__PURE__ */ new Set()), Array.prototype.constructor === Array);
//// properties with attributes
const base = { greet() {
  return "hello " + this.who;
} };
const derived = Object.create(base, { who: { value: "you", enumerable: true }, secret: { value: 42 } });
console.log(derived.greet(), derived, Object.keys(derived), derived.secret, "secret" in derived);
try {
  derived.who = "me";
} catch (error) {
  console.log(error.name, error.message);
}
try {
  delete derived.who;
} catch (error) {
  console.log(error.name, error.message);
}
console.log(Object.getOwnPropertyDescriptor(derived, "who"), Object.getOwnPropertyDescriptor(derived, "none"));
console.log(Object.getOwnPropertyDescriptors(derived));
const literal = { __proto__: base, who: "all" };
console.log(literal.greet(), literal.__proto__ === base, Object.keys(literal));
literal.__proto__ = null;
console.log(literal.greet, Object.getPrototypeOf(literal), literal.__proto__);
const data = {};
for (const key of ["a", "__proto__", "b"]) data[key] = { from: key };
console.log(Object.keys(data), data.from, Object.getPrototypeOf(data));
//// accessors by defineProperty
const counter = {};
let reads = 0;
Object.defineProperty(counter, "next", { get: () => ++reads, enumerable: true, configurable: true });
Object.defineProperty(counter, "hidden", { value: 1, writable: true, configurable: true });
console.log(counter.next, counter.next, counter.hidden, Object.keys(counter), JSON.stringify(counter), { ...counter });
counter.hidden = 2;
console.log(counter.hidden, Object.keys(counter), Object.getOwnPropertyNames(counter));
Object.defineProperty(counter, "hidden", { enumerable: true });
console.log(counter);
Object.defineProperties(counter, { one: { value: 1 }, two: { value: 2, enumerable: true } });
for (const [key, fields] of [["one", { value: 3 }], ["one", { value: 1 }], ["two", { enumerable: false }], ["two", { get() {
} }]]) {
  try {
    Object.defineProperty(counter, key, fields);
    console.log("defined", key);
  } catch (error) {
    console.log(error.name, error.message);
  }
}
const inherits = Object.create(counter);
try {
  inherits.one = 5;
} catch (error) {
  console.log(error.name, error.message);
}
inherits.hidden = 7;
console.log(inherits.hidden, counter.hidden, Object.keys(inherits));
//// sealed objects
const sealed = Object.seal({ a: 1 });
sealed.a = 2;
for (const change of [() => sealed.b = 1, () => delete sealed.a, () => Object.setPrototypeOf(sealed, null), () => Object.defineProperty(sealed, "c", { value: 1 })]) {
  try {
    change();
    console.log("changed");
  } catch (error) {
    console.log(error.name, error.message);
  }
}
console.log(sealed, Object.isSealed(sealed), Object.isFrozen(sealed), Object.isExtensible(sealed), Object.isExtensible({}), Object.isSealed({}));
const fixed = Object.preventExtensions({ a: 1 });
delete fixed.a;
try {
  fixed.a = 1;
} catch (error) {
  console.log(error.name, error.message);
}
console.log(Object.isFrozen(fixed), Object.isSealed(fixed), Object.isFrozen(1), Object.isFrozen("a"));
try {
  const ring = {};
  ring.__proto__ = Object.create(ring);
} catch (error) {
  console.log(error.name, error.message);
}
//// errors with a prototype that is set
class Failure extends Error {
  code;
  constructor(message, code) {
    super(message);
    Object.setPrototypeOf(this, new.target.prototype);
    this.name = this.constructor.name;
    this.code = code;
  }
}
const failure = new Failure("lost", 7);
console.log(failure instanceof Failure, failure.name, failure.code, String(failure), Object.keys(failure));
//// attributes of properties that are named as those of errors
console.log(Object.getOwnPropertyDescriptor({ stack: 1 }, "stack"));
class Trace { constructor() { this.stack = []; this.n = 0; } }
const trace = new Trace();
console.log(Object.create(Object.getPrototypeOf(trace), Object.getOwnPropertyDescriptors(trace)));
try { Object.defineProperty(Object.freeze({ stack: 1 }), "stack", { value: 2 }); } catch (error) { console.log(error.message); }
//// errors of plain functions
function ValidationError(message) { this.message = message; }
ValidationError.prototype = Object.create(Error.prototype);
const invalid = new ValidationError("bad");
console.log(invalid.name, `${invalid}`, String(invalid), invalid + "", invalid instanceof Error, invalid instanceof TypeError);
console.log(Object.create(TypeError.prototype).name, Object.create(TypeError.prototype).constructor.name, TypeError.prototype.name, Error.prototype.message === "");
class Plain extends Error {}
console.log(Plain.prototype.name, Plain.prototype instanceof Error, RangeError.prototype instanceof Error);
//// what a frozen prototype keeps
class Fixed { m() { return 1; } }
Object.freeze(Fixed.prototype);
const attempts = [() => { const one = Object.create(Object.freeze({ x: 1 })); one.x = 2; }, () => { new Fixed().m = 1; }, () => { Object.assign(Object.create(Object.freeze({ y: 1 })), { y: 2 }); }, () => { const one = Object.create(Object.freeze({ z: 1 })), key = "z"; one[key] = 2; }];
for (const attempt of attempts) try { attempt(); console.log("changed"); } catch (error) { console.log(error.name, error.message.replace(/#<\w+>/, "")); }
//// fields that meet attributes
class Base { constructor() { Object.defineProperty(this, "id", { value: 7 }); } }
class Child extends Base { id = 1; }
function Given(object) { return object; }
class Field extends Given { x = 1; }
for (const make of [() => new Child().id, () => new Field(Object.freeze({ x: 0 })).x, () => new Field(Object.seal({ x: 0 })).x, () => new Field(Object.preventExtensions({})).x])
  try { console.log(make()); } catch (error) { console.log(error.name, error.message); }
//// private names stay with their object
class Secret { #x = 1; #m() { return 2; } static get(o) { return o.#x; } static has(o) { return #x in o; } call() { return this.#m(); } }
console.log(Secret.has(new Secret()), Secret.has(Object.create(new Secret())), new Secret().call());
try { Secret.get(Object.create(new Secret())); } catch (error) { console.log(error.name); }
//// super of a prototype that was set
class Left { m() { return "left"; } }
class Right { m() { return "right"; } }
class Middle extends Left { m() { return super.m(); } }
Object.setPrototypeOf(Middle.prototype, Right.prototype);
console.log(new Middle().m(), new Middle() instanceof Right, new Middle() instanceof Left);
//// symbols with attributes
const iterate = (value, fields) => Object.defineProperty({}, Symbol.iterator, { value, ...fields });
let iterable = iterate(function* () { yield 1; }, { writable: true, configurable: true });
iterable[Symbol.iterator] = function* () { yield 2; };
console.log([...iterable], Symbol.iterator in { ...iterable });
for (const change of [() => { iterable = iterate(1); delete iterable[Symbol.iterator]; }, () => Object.assign(iterate(1, { enumerable: true }), { [Symbol.iterator]: 2 })])
  try { change(); console.log("changed"); } catch (error) { console.log(error.name); }
const both = {};
Object.defineProperties(both, { [Symbol.iterator]: { value: function* () { yield 3; } }, a: { value: 1 } });
console.log([...both], Object.getOwnPropertyNames(both), Object.getOwnPropertySymbols(both).length);
try { Object.defineProperties(both, { b: { value: 1 }, c: 5 }); } catch (error) { console.log(error.name, "b" in both); }
//// order and names
function Parent() {}
function Named() {}
Named.prototype = Object.create(Parent.prototype, { constructor: { value: Named } });
console.log(new Named());
class Static { static m() {} static x = 1; }
console.log(Object.getOwnPropertyNames(Static));
function Returns() { return Math.max; }
console.log(new Returns() === Math.max);
try { class Broken extends Static { constructor() { super(); } } Object.setPrototypeOf(Broken, () => 1); new Broken(); } catch (error) { console.log(error.name); }
console.log([Object.isFrozen(Math.max), Object.isExtensible(Math.max), Object.prototype.toString.call(Array.prototype), JSON.stringify({ p: Array.prototype.length })]);
//// prototypes of built-in classes are printed as in Node
for (const p of [Array, Map, Set, Object, Function, Error, Promise, String, Number, Boolean, Date, RegExp, TypeError, RangeError, WeakMap, WeakSet, AggregateError]) console.log(p.prototype);
console.log([Array.prototype], { p: Map.prototype }, [[[[Object.prototype]]]], Math, JSON);
