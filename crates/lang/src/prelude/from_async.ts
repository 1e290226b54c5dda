// ECMA-262 §23.1.2.2 Array.fromAsync.
async function fromAsync(items, mapper = undefined, receiver = undefined) {
  if (mapper !== undefined && typeof mapper !== "function") throw new TypeError(`${typeof mapper === "object" && mapper ? "#<Object>" : String(mapper)} is not a function`);
  // Refuses `this` that is another constructor.
  const list = Array.from.call(this, []);
  if (items[Symbol.asyncIterator] == null && items[Symbol.iterator] == null) {
    const length = Math.min(Math.max(Math.trunc(Number(items.length)) || 0, 0), 2 ** 53 - 1);
    for (let index = 0; index < length; index++) {
      const item = await items[index];
      list.push(mapper ? await mapper.call(receiver, item, index) : item);
    }
    return list;
  }
  for await (const item of items) list.push(mapper ? await mapper.call(receiver, item, list.length) : item);
  return list;
}

export { fromAsync as "Array.fromAsync" };
