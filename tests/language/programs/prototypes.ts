// Prototypes as values, attributes of properties, plain functions as constructors.

function Point(this: any, x: number, y: number) {
  this.x = x;
  this.y = y;
}
Point.prototype.norm = function () {
  return Math.hypot(this.x, this.y);
};
const point = new (Point as any)(3, 4);
console.log(point, point.norm(), point instanceof (Point as any), Point.prototype.constructor === Point);
console.log(Object.keys(point), Object.keys(Point.prototype), Object.getOwnPropertyNames(Point.prototype));
for (const key in point) console.log("in", key);

function Point3(this: any, x: number, y: number, z: number) {
  Point.call(this, x, y);
  this.z = z;
}
Point3.prototype = Object.create(Point.prototype);
Point3.prototype.constructor = Point3;
Point3.prototype.sum = function () {
  return this.x + this.y + this.z;
};
const solid = new (Point3 as any)(1, 2, 3);
console.log(solid.sum(), solid.norm().toFixed(3), solid instanceof (Point as any), Point.prototype.isPrototypeOf(solid));
console.log(Object.getPrototypeOf(solid) === Point3.prototype, Object.getPrototypeOf(Object.getPrototypeOf(solid)) === Point.prototype);

class Animal {
  name: string;
  constructor(name: string) {
    this.name = name;
  }
  speak() {
    return `${this.name} makes a sound`;
  }
  get loud() {
    return this.speak().toUpperCase();
  }
  static create(name: string) {
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
(Animal.prototype as any).legs = 4;
console.log((rex as any).legs, Object.keys(Animal.prototype), rex);
console.log(Object.getPrototypeOf(Object.getPrototypeOf(Animal.prototype)), Dog.prototype);
class Stack extends Array {}
console.log(Object.getPrototypeOf(Stack.prototype) === Array.prototype, new Stack() instanceof Array, Object.getPrototypeOf(Stack) === Array);
class Lost extends RangeError {}
console.log(Object.getPrototypeOf(Lost.prototype) === RangeError.prototype, Object.getPrototypeOf(RangeError.prototype) === Error.prototype);

console.log(Array.prototype.slice.call([1, 2, 3], 1), Object.prototype.toString.call([]), typeof Array.prototype.map);
console.log([Object.getPrototypeOf([]) === Array.prototype, Object.getPrototypeOf({}) === Object.prototype, Object.getPrototypeOf("") === String.prototype,
  Object.getPrototypeOf(1) === Number.prototype, Object.getPrototypeOf(() => 1) === Function.prototype, Object.getPrototypeOf(Object.prototype),
  Object.getPrototypeOf(new Map()) === Map.prototype, Object.getPrototypeOf(new TypeError("")) === TypeError.prototype, Object.getPrototypeOf(Promise.resolve()) === Promise.prototype]);
console.log(Object.prototype.isPrototypeOf([]), Array.prototype.isPrototypeOf([]), Map.prototype.isPrototypeOf(new Set()), Array.prototype.constructor === Array);

const base = { greet() { return "hello " + (this as any).who; } };
const derived: any = Object.create(base, { who: { value: "you", enumerable: true }, secret: { value: 42 } });
console.log(derived.greet(), derived, Object.keys(derived), derived.secret, "secret" in derived);
try {
  derived.who = "me";
} catch (error: any) {
  console.log(error.name, error.message);
}
try {
  delete derived.who;
} catch (error: any) {
  console.log(error.name, error.message);
}
console.log(Object.getOwnPropertyDescriptor(derived, "who"), Object.getOwnPropertyDescriptor(derived, "none"));
console.log(Object.getOwnPropertyDescriptors(derived));
const literal: any = { __proto__: base, who: "all" };
console.log(literal.greet(), literal.__proto__ === base, Object.keys(literal));
literal.__proto__ = null;
console.log(literal.greet, Object.getPrototypeOf(literal), literal.__proto__);
const data: any = {};
for (const key of ["a", "__proto__", "b"]) data[key] = { from: key };
console.log(Object.keys(data), data.from, Object.getPrototypeOf(data));

const counter: any = {};
let reads = 0;
Object.defineProperty(counter, "next", { get: () => ++reads, enumerable: true, configurable: true });
Object.defineProperty(counter, "hidden", { value: 1, writable: true, configurable: true });
console.log(counter.next, counter.next, counter.hidden, Object.keys(counter), JSON.stringify(counter), { ...counter });
counter.hidden = 2;
console.log(counter.hidden, Object.keys(counter), Object.getOwnPropertyNames(counter));
Object.defineProperty(counter, "hidden", { enumerable: true });
console.log(counter);
Object.defineProperties(counter, { one: { value: 1 }, two: { value: 2, enumerable: true } });
for (const [key, fields] of [["one", { value: 3 }], ["one", { value: 1 }], ["two", { enumerable: false }], ["two", { get() {} }]] as any) {
  try {
    Object.defineProperty(counter, key, fields);
    console.log("defined", key);
  } catch (error: any) {
    console.log(error.name, error.message);
  }
}
const inherits = Object.create(counter);
try {
  inherits.one = 5;
} catch (error: any) {
  console.log(error.name, error.message);
}
inherits.hidden = 7;
console.log(inherits.hidden, counter.hidden, Object.keys(inherits));

const sealed: any = Object.seal({ a: 1 });
sealed.a = 2;
for (const change of [() => (sealed.b = 1), () => delete sealed.a, () => Object.setPrototypeOf(sealed, null), () => Object.defineProperty(sealed, "c", { value: 1 })]) {
  try {
    change();
    console.log("changed");
  } catch (error: any) {
    console.log(error.name, error.message);
  }
}
console.log(sealed, Object.isSealed(sealed), Object.isFrozen(sealed), Object.isExtensible(sealed), Object.isExtensible({}), Object.isSealed({}));
const fixed: any = Object.preventExtensions({ a: 1 });
delete fixed.a;
try {
  fixed.a = 1;
} catch (error: any) {
  console.log(error.name, error.message);
}
console.log(Object.isFrozen(fixed), Object.isSealed(fixed), Object.isFrozen(1), Object.isFrozen("a"));
try {
  const ring: any = {};
  ring.__proto__ = Object.create(ring);
} catch (error: any) {
  console.log(error.name, error.message);
}
class Failure extends Error {
  code: number;
  constructor(message: string, code: number) {
    super(message);
    Object.setPrototypeOf(this, new.target.prototype);
    this.name = this.constructor.name;
    this.code = code;
  }
}
const failure = new Failure("lost", 7);
console.log(failure instanceof Failure, failure.name, failure.code, String(failure), Object.keys(failure));
const Mixed = (Base: any) => class extends Base { tag() { return "mixed " + (this as any).name; } };
class Cat extends Mixed(Animal) {}
console.log(new (Cat as any)("Tom").tag(), new (Cat as any)("Tom").speak());
Object.assign(Animal.prototype, { extra() { return "extra " + (this as any).name; } });
console.log((rex as any).extra());
