// Iterator helpers. ECMA-262 §27.1.2 Iterator Helper Objects, §27.1.3.2 Properties of the Iterator Constructor, §27.1.4 Properties of the
// Iterator Prototype Object. The frozen functions of the machine call those of `iteratorFunctions`. A loop over a record calls its method
// `next`, and closes the iterator when the loop is left early or by an error.
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

const textOf = (value) => (isObject(value) ? "#<Object>" : String(value));

// ECMA-262 §7.3.11 GetMethod.
function methodOf(value, key) {
  const method = value[key] ?? undefined;
  if (method !== undefined && typeof method !== "function") throw new TypeError(`${textOf(method)} is not a function`);
  return method;
}

// ECMA-262 §7.4.11 IteratorClose with a normal completion.
function close(iterator) {
  const method = methodOf(iterator, "return");
  if (method === undefined) return;
  const result = method.call(iterator);
  if (!isObject(result)) throw new TypeError(`${String(result)} is not an object`);
}

// ECMA-262 §7.4.11 IteratorClose with a throw completion.
function closeAndThrow(iterator, error) {
  try {
    close(iterator);
  } catch {
    // The first error is thrown.
  }
  throw error;
}

// ECMA-262 §7.4.3 GetIteratorDirect.
const recordOf = (iterator) => $iteratorRecord(iterator, iterator.next);

function requireIterator(value, name) {
  if (!isObject(value)) throw new TypeError(`Iterator.prototype.${name} called on non-object`);
}

// The record of the receiver of a helper with a callback.
function recordFor(iterator, name, callback) {
  requireIterator(iterator, name);
  if (typeof callback !== "function") closeAndThrow(iterator, new TypeError(`${textOf(callback)} is not a function`));
  return recordOf(iterator);
}

// The limit of `drop` and `take`.
function limitFor(iterator, name, limit) {
  requireIterator(iterator, name);
  let number;
  try {
    number = Number(limit);
  } catch (error) {
    closeAndThrow(iterator, error);
  }
  // Not true for NaN.
  if (Math.trunc(number) >= 0) return Math.trunc(number);
  closeAndThrow(iterator, new RangeError(`${textOf(limit)} must be positive`));
}

// ECMA-262 §7.4.5 GetIteratorFlattenable. The iterator.
function flattenable(value, name) {
  if (!isObject(value) && (typeof value !== "string" || name !== "Iterator.from")) throw new TypeError(`${name} called on non-object`);
  const method = methodOf(value, Symbol.iterator);
  const iterator = method === undefined ? value : method.call(value);
  if (!isObject(iterator)) throw new TypeError(`${name} called on non-object`);
  return iterator;
}

function* mapped(values, mapper) {
  let index = 0;
  for (const value of values) yield mapper(value, index++);
}

function* filtered(values, predicate) {
  let index = 0;
  for (const value of values) if (predicate(value, index++)) yield value;
}

function* taken(iterator, values, limit) {
  if (limit === 0) return close(iterator);
  let remaining = limit;
  for (const value of values) {
    yield value;
    if (--remaining === 0) break;
  }
}

function* dropped(values, limit) {
  let remaining = limit;
  for (const value of values) {
    if (remaining > 0) remaining--;
    else yield value;
  }
}

function* flattened(values, mapper) {
  let index = 0;
  for (const value of values) {
    for (const inner of recordOf(flattenable(mapper(value, index++), "Iterator.prototype.flatMap"))) yield inner;
  }
}

// ECMA-262 §27.1.2.1 The %IteratorHelperPrototype% Object.
class IteratorHelper extends Iterator {
  #iterator;
  #values;
  #hasStarted = false;

  constructor(iterator, values) {
    super();
    this.#iterator = iterator;
    this.#values = values;
  }

  next() {
    const values = this.#values;
    this.#hasStarted = true;
    return values.next();
  }

  return() {
    const result = this.#values.return();
    if (!this.#hasStarted) {
      this.#hasStarted = true;
      close(this.#iterator);
    }
    return result;
  }
}

// ECMA-262 §27.1.3.2.1.1 The %WrapForValidIteratorPrototype% Object.
class WrappedIterator extends Iterator {
  #iterator;
  #next;

  constructor(iterator, next) {
    super();
    this.#iterator = iterator;
    this.#next = next;
  }

  next() {
    return this.#next.call(this.#iterator);
  }

  return() {
    const method = methodOf(this.#iterator, "return");
    return method === undefined ? { value: undefined, done: true } : method.call(this.#iterator);
  }
}

// The prototypes have no constructor of their own.
delete IteratorHelper.prototype.constructor;
delete WrappedIterator.prototype.constructor;
Object.defineProperty(IteratorHelper.prototype, Symbol.toStringTag, { value: "Iterator Helper", configurable: true });

const iteratorFunctions = {
  from(value) {
    const iterator = flattenable(value, "Iterator.from");
    const next = iterator.next;
    return iterator instanceof Iterator ? iterator : new WrappedIterator(iterator, next);
  },
  drop(limit) {
    const count = limitFor(this, "drop", limit);
    return new IteratorHelper(this, dropped(recordOf(this), count));
  },
  every(predicate) {
    let index = 0;
    for (const value of recordFor(this, "every", predicate)) if (!predicate(value, index++)) return false;
    return true;
  },
  filter(predicate) {
    return new IteratorHelper(this, filtered(recordFor(this, "filter", predicate), predicate));
  },
  find(predicate) {
    let index = 0;
    for (const value of recordFor(this, "find", predicate)) if (predicate(value, index++)) return value;
  },
  flatMap(mapper) {
    return new IteratorHelper(this, flattened(recordFor(this, "flatMap", mapper), mapper));
  },
  forEach(callback) {
    let index = 0;
    for (const value of recordFor(this, "forEach", callback)) callback(value, index++);
  },
  map(mapper) {
    return new IteratorHelper(this, mapped(recordFor(this, "map", mapper), mapper));
  },
  reduce(reducer, ...initial) {
    const values = recordFor(this, "reduce", reducer);
    let hasResult = initial.length > 0;
    let result = initial[0];
    let index = 0;
    for (const value of values) {
      result = hasResult ? reducer(result, value, index) : value;
      hasResult = true;
      index++;
    }
    if (!hasResult) throw new TypeError("Reduce of a done iterator with no initial value");
    return result;
  },
  some(predicate) {
    let index = 0;
    for (const value of recordFor(this, "some", predicate)) if (predicate(value, index++)) return true;
    return false;
  },
  take(limit) {
    const count = limitFor(this, "take", limit);
    return new IteratorHelper(this, taken(this, recordOf(this), count));
  },
  toArray() {
    requireIterator(this, "toArray");
    const list = [];
    for (const value of recordOf(this)) list.push(value);
    return list;
  },
};
