// ECMA-262 §20.1.2.13 Object.groupBy, §24.1.2.1 Map.groupBy.
function forEachKey(items, callback, add) {
  if (items == null) throw new TypeError(`${items} is not iterable`);
  if (typeof callback !== "function")
    throw new TypeError(`${typeof callback === "object" && callback ? "#<Object>" : String(callback)} is not a function`);
  let index = 0;
  for (const item of items) add(callback(item, index++), item);
}

function groupBy(items, callback) {
  const groups = Object.create(null);
  forEachKey(items, callback, (name, item) => {
    const key = typeof name === "symbol" ? name : String(name);
    if (key in groups) groups[key].push(item);
    else groups[key] = [item];
  });
  return groups;
}

const mapGroupBy = {
  groupBy(items, callback) {
    const groups = new Map();
    forEachKey(items, callback, (key, item) => {
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    });
    return groups;
  },
}.groupBy;

export { groupBy as "Object.groupBy", mapGroupBy as "Map.groupBy" };
