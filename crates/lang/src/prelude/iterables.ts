// Functions that check or map each value of an iterator of the program before they read the next one, and close it after an error. ECMA-262
// §23.1.2.1 Array.from, §20.1.2.7 Object.fromEntries, §24.1.1.1 Map, §24.1.1.2 AddEntriesFromIterable, §24.3.1.1 WeakMap, §24.4.1.1 WeakSet.
// Others are those of the machine.
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

const isOwn = (items) =>
  isObject(items) &&
  !Array.isArray(items) &&
  !(items instanceof Map || items instanceof Set) &&
  typeof items[Symbol.iterator] === "function";

function addEntries(items, add) {
  for (const entry of items) {
    if (!isObject(entry)) throw new TypeError(`Iterator value ${String(entry)} is not an entry object`);
    add(entry[0], entry[1]);
  }
}

function from(items, mapper = undefined, receiver = undefined) {
  // Refuses `this` that is another constructor, and a mapper that is not a function.
  const list = Array.from.call(this, [], mapper);
  if (mapper === undefined || !isOwn(items)) return Array.from(items, mapper, receiver);
  for (const item of items) list.push(mapper.call(receiver, item, list.length));
  return list;
}

function fromEntries(items) {
  if (!isOwn(items)) return Object.fromEntries(items);
  const list = [];
  addEntries(items, (key, value) => list.push([typeof key === "symbol" ? key : String(key), value]));
  return Object.fromEntries(list);
}

function newMap(items) {
  if (!isOwn(items)) return new Map(items);
  const map = new Map();
  addEntries(items, (key, value) => map.set(key, value));
  return map;
}

function newWeakMap(items) {
  if (!isOwn(items)) return new WeakMap(items);
  const map = new WeakMap();
  addEntries(items, (key, value) => map.set(key, value));
  return map;
}

function newWeakSet(items) {
  if (!isOwn(items)) return new WeakSet(items);
  const set = new WeakSet();
  for (const item of items) set.add(item);
  return set;
}

export {
  from as "Array.from",
  fromEntries as "Object.fromEntries",
  newMap as "new Map",
  newWeakMap as "new WeakMap",
  newWeakSet as "new WeakSet",
};
