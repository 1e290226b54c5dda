// ECMA-262 §28.1 The Reflect Object. Deviation: `construct` has no third argument.
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

function check(target, name) {
  if (!isObject(target)) throw new TypeError(`Reflect.${name} called on non-object`);
}

function listOf(items) {
  if (!isObject(items)) throw new TypeError("CreateListFromArrayLike called on non-object");
  return Array.isArray(items) ? items : Array.from({ length: items.length }, (_, index) => items[index]);
}

// A value in messages of V8, which an error of the machine has.
function textOf(value) {
  if (typeof value === "symbol") return String(value);
  try {
    return Symbol.keyFor(value);
  } catch (error) {
    return error.message.replace(/ is not a symbol$/, "");
  }
}

// The property that a target has or inherits.
function find(target, key) {
  for (let object = target; object !== null; object = Object.getPrototypeOf(object)) {
    const found = Object.getOwnPropertyDescriptor(object, key);
    if (found) return found;
  }
}

// Whether an operation of the machine succeeds, whose refusals are errors that begin so.
function succeeds(operation, ...refusals) {
  try {
    operation();
    return true;
  } catch (error) {
    if (refusals.some((refusal) => error.message.startsWith(refusal))) return false;
    throw error;
  }
}

export const Reflect = {
  defineProperty(target, key, attributes) {
    check(target, "defineProperty");
    return succeeds(() => Object.defineProperty(target, key, attributes), "Cannot redefine property", "Cannot define property");
  },
  deleteProperty(target, key) {
    check(target, "deleteProperty");
    return succeeds(() => delete target[key], "Cannot delete property");
  },
  apply(target, receiver, items) {
    if (typeof target !== "function") {
      const type = target === null ? "null" : `${typeof target === "object" ? "an" : "a"} ${typeof target}`;
      throw new TypeError(`Function.prototype.apply was called on ${textOf(target)}, which is ${type} and not a function`);
    }
    return target.apply(receiver, listOf(items));
  },
  construct(target, items, ...rest) {
    for (const one of [target, ...rest])
      if (typeof one !== "function") throw new TypeError(`${textOf(one)} is not a constructor`);
    if (rest.length > 0 && rest[0] !== target) {
      const error = new TypeError("Reflect.construct with another new.target is not supported");
      error.name = "UnsupportedError";
      throw error;
    }
    return new target(...listOf(items));
  },
  get(target, key, ...rest) {
    check(target, "get");
    if (rest.length === 0 || rest[0] === target) return target[key];
    const found = find(target, key);
    return found && "get" in found ? found.get?.call(rest[0]) : target[key];
  },
  getOwnPropertyDescriptor(target, key) {
    check(target, "getOwnPropertyDescriptor");
    return Object.getOwnPropertyDescriptor(target, key);
  },
  getPrototypeOf(target) {
    check(target, "getPrototypeOf");
    return Object.getPrototypeOf(target);
  },
  has(target, key) {
    check(target, "has");
    return key in target;
  },
  isExtensible(target) {
    check(target, "isExtensible");
    return Object.isExtensible(target);
  },
  ownKeys(target) {
    check(target, "ownKeys");
    return [...Object.getOwnPropertyNames(target), ...Object.getOwnPropertySymbols(target)];
  },
  preventExtensions(target) {
    check(target, "preventExtensions");
    Object.preventExtensions(target);
    return true;
  },
  // §10.1.9.2 OrdinarySetWithOwnDescriptor.
  set(target, key, value, ...rest) {
    check(target, "set");
    const [receiver] = [...rest, target];
    const found = find(target, key);
    if (found && "get" in found) {
      found.set?.call(receiver, value);
      return found.set !== undefined;
    }
    if (found?.writable === false || !isObject(receiver)) return false;
    const own = Object.getOwnPropertyDescriptor(receiver, key);
    if (own ? !own.writable : !Object.isExtensible(receiver)) return false;
    if (receiver === target) receiver[key] = value;
    else Object.defineProperty(receiver, key, own ? { value } : { value, writable: true, enumerable: true, configurable: true });
    return true;
  },
  setPrototypeOf(target, proto) {
    check(target, "setPrototypeOf");
    if (!isObject(proto) && proto !== null) throw new TypeError(`Object prototype may only be an Object or null: ${String(proto)}`);
    if (!Object.isExtensible(target)) return Object.getPrototypeOf(target) === proto;
    return succeeds(() => Object.setPrototypeOf(target, proto), "Cyclic __proto__ value");
  },
};
for (const name of Object.keys(Reflect)) Object.defineProperty(Reflect, name, { enumerable: false });
Object.defineProperty(Reflect, Symbol.toStringTag, { value: "Reflect", configurable: true });
