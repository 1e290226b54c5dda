// ECMA-262 §27.2.4.8 Promise.try. Deviation: the promise is of the class Promise, whatever `this` is.
function attempt(callback, ...args) {
  return new Promise((resolve) => resolve(callback(...args)));
}

export { attempt as "Promise.try" };
