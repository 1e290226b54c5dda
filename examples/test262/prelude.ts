class Test262Error extends Error {
  constructor(message) { super(message === undefined ? '' : message); this.name = 'Test262Error'; }
}
function $DONOTEVALUATE() { throw new Error('Test262: this statement should not be evaluated.'); }
function $DONE(error) {
  if (error !== undefined && error !== null) console.log('Test262:AsyncTestFailure:' + String(error));
  else console.log('Test262:AsyncTestComplete');
}
function assert(value, message) { if (value !== true) throw new Test262Error(message ?? 'Expected true but got ' + String(value)); }
function assert_sameValue(actual, expected, message) {
  if (!Object.is(actual, expected)) throw new Test262Error((message ?? '') + ' Expected SameValue(' + String(actual) + ', ' + String(expected) + ')');
}
function assert_notSameValue(actual, unexpected, message) {
  if (Object.is(actual, unexpected)) throw new Test262Error((message ?? '') + ' Expected not SameValue');
}
function assert_throws(expected, act, message) {
  let thrown; let threw = false;
  try { act(); } catch (error) { threw = true; thrown = error; }
  if (!threw) throw new Test262Error((message ?? '') + ' Expected a ' + expected.name + ' to be thrown');
  if (typeof thrown !== 'object' || thrown === null || thrown.constructor !== expected) throw new Test262Error((message ?? '') + ' Expected a ' + expected.name + ' but got ' + String(thrown));
}
function compareArray(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
function assert_compareArray(actual, expected, message) {
  if (!compareArray(actual, expected)) throw new Test262Error((message ?? '') + ' Expected equal arrays');
}
function asyncTest(act) { act().then(() => $DONE(), (error) => $DONE(error)); }
async function assert_throwsAsync(expected, act, message) {
  let thrown; let threw = false;
  try { await act(); } catch (error) { threw = true; thrown = error; }
  if (!threw || typeof thrown !== 'object' || thrown === null || thrown.constructor !== expected) throw new Test262Error((message ?? '') + ' Expected a ' + expected.name);
}
