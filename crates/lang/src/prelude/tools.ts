// The arguments of a tool as a plain value, by the rules of JSON. ECMA-262 §25.5.2 JSON.stringify. A promise that is
// rejected is the result of the call: `tools.name(args)` is a promise whatever its arguments are.
function plain(value) {
  try {
    const text = JSON.stringify(value);
    return text === undefined ? text : JSON.parse(text);
  } catch (error) {
    return Promise.reject(error);
  }
}

export { plain };
