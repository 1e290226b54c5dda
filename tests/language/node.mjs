// Runs programs in Node as the reference: reads [{ source, opened, input, answers, order }] and writes one line
// { lines, result?, error?, ms } for each.
// Values are printed by a console of Node. Stack traces differ between the engines, so their lines are removed.
import { readFileSync } from 'node:fs';
import { Console } from 'node:console';
import { Writable } from 'node:stream';

const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const untraced = (line) => line.replace(/\n +at [^\n]*(?:\d+:\d+\)?|<anonymous>\)?|\(index \d+\))/g, '').replace(/\n +\.\.\. \d+ lines matching cause stack trace \.\.\./g, '');

// The time of the turn in the engine under test.
const NOW = 1_790_000_000_000;

// A host call at the start of a text.
const HOST_CALL = /^(CC\.all|CC|ask|call|sleepUntil|sleep|fs\.\w+)(?=[^\w.])/;

/** The source with the calls that the compiler opens, as [line, column, whether they are awaited there]. */
function openCalls(source, calls) {
  const lines = source.split(/\r\n|\n|\r/);
  for (const [line, column, awaits] of calls.toReversed()) {
    const [before, after] = [lines[line - 1].slice(0, column - 1), lines[line - 1].slice(column - 1)];
    const start = awaits && !/\bawait[\s(]*$/.test(before) ? 'await ' : '';
    lines[line - 1] = before + after.replace(HOST_CALL, (name) => `${start}$open['${name}']`);
  }
  return lines.join('\n');
}

// Functions of ECMA-262 that Node has from version 21, 22 and 23 on.
const methods = {
  groupBy(items, callback) {
    if (items == null) throw new TypeError(`${items} is not iterable`);
    if (typeof callback !== 'function') throw new TypeError(`${callback && typeof callback === 'object' ? '#<Object>' : callback} is not a function`);
    const [groups, iterator] = [new Map(), items[Symbol.iterator]()];
    for (let index = 0; ; index++) {
      const { done, value } = iterator.next();
      if (done) return groups;
      try {
        const key = callback(value, index);
        const name = this === Map ? key : String(key);
        groups.set(name, [...(groups.get(name) ?? []), value]);
      } catch (error) {
        try { iterator.return?.(); } catch { /* the first error is thrown */ }
        throw error;
      }
    }
  },
  async fromAsync(items, mapper, receiver) {
    if (mapper !== undefined && typeof mapper !== 'function') throw new TypeError(`${mapper} is not a function`);
    const isIterable = items[Symbol.asyncIterator] ?? items[Symbol.iterator];
    const list = [];
    for await (const item of isIterable ? items : Array.from(items)) list.push(mapper ? await mapper.call(receiver, item, list.length) : item);
    return list;
  },
};
const define = (owner, name, value) => { Object.hasOwn(owner, name) || Object.defineProperty(owner, name, { value: Object.defineProperties(value, { name: { value: name }, length: { value: name === 'groupBy' ? 2 : 1 } }), configurable: true, writable: true }); };
define(Object, 'groupBy', (...args) => Object.assign(Object.create(null), Object.fromEntries(methods.groupBy.apply(Object, args))));
define(Map, 'groupBy', (...args) => methods.groupBy.apply(Map, args));
define(Array, 'fromAsync', (...args) => methods.fromAsync(...args));
define(Promise, 'try', (callback, ...args) => new Promise((resolve) => resolve(callback(...args))));

/** The iterator helpers of ECMA-262 §27.1, which Node has from version 22 on. */
function defineIteratorHelpers() {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
  const textOf = (value) => (isObject(value) ? '#<Object>' : String(value));
  const method = (value, key) => {
    const found = value[key] ?? undefined;
    if (found !== undefined && typeof found !== 'function') throw new TypeError(`${textOf(found)} is not a function`);
    return found;
  };
  const end = () => ({ value: undefined, done: true });
  const direct = (iterator) => ({ iterator, next: iterator.next });
  const step = ({ iterator, next }) => {
    const result = next.call(iterator);
    if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`);
    return result.done ? undefined : { value: result.value, done: false };
  };
  const close = (iterator) => {
    const result = method(iterator, 'return')?.call(iterator) ?? {};
    if (!isObject(result)) throw new TypeError(`${String(result)} is not an object`);
  };
  /** The value of a function, whose error closes the iterator. */
  const closing = (iterator, run) => {
    try {
      return run();
    } catch (error) {
      try { close(iterator); } catch { /* the first error is thrown */ }
      throw error;
    }
  };
  const open = (iterator, name, callback) => {
    if (!isObject(iterator)) throw new TypeError(`Iterator.prototype.${name} called on non-object`);
    if (typeof callback !== 'function') closing(iterator, () => { throw new TypeError(`${textOf(callback)} is not a function`); });
    return direct(iterator);
  };
  const openLimited = (iterator, name, limit) => {
    if (!isObject(iterator)) throw new TypeError(`Iterator.prototype.${name} called on non-object`);
    const count = closing(iterator, () => {
      const number = Number(limit);
      if (!(Math.trunc(number) >= 0)) throw new RangeError(`${textOf(limit)} must be positive`);
      return Math.trunc(number);
    });
    return { ...direct(iterator), count };
  };
  const flattenable = (value, name) => {
    if (!isObject(value) && !(typeof value === 'string' && name === 'Iterator.from')) throw new TypeError(`${name} called on non-object`);
    const found = method(value, Symbol.iterator);
    const iterator = found === undefined ? value : found.call(value);
    if (!isObject(iterator)) throw new TypeError(`${name} called on non-object`);
    return direct(iterator);
  };
  const states = new WeakMap();
  const state = (value, name) => {
    const found = states.get(value);
    if (!found) throw new TypeError(`Method Iterator Helper.prototype.${name} called on incompatible receiver ${textOf(value)}`);
    if (found.isRunning) throw new TypeError('Generator is already running');
    return found;
  };
  const run = (found, body) => {
    found.isRunning = true;
    try {
      return body();
    } catch (error) {
      found.isDone = true;
      throw error;
    } finally {
      found.isRunning = false;
    }
  };
  const hide = (owner, members) => {
    for (const [name, value] of Object.entries(members)) Object.defineProperty(owner, name, { value, writable: true, configurable: true });
  };
  const helperPrototype = Object.create(prototype, { [Symbol.toStringTag]: { value: 'Iterator Helper', configurable: true } });
  hide(helperPrototype, {
    next() {
      const found = state(this, 'next');
      if (found.isDone) return end();
      found.hasStarted = true;
      const result = run(found, found.advance);
      found.isDone = result === undefined;
      return result ?? end();
    },
    return() {
      const found = state(this, 'return');
      if (found.isDone) return end();
      found.isDone = true;
      const leave = () => {
        const { inner, iterator } = found;
        if (inner) closing(iterator, () => close(inner.iterator));
        close(iterator);
      };
      found.hasStarted ? run(found, leave) : leave();
      return end();
    },
  });
  const helper = (record, advance) => {
    const made = Object.create(helperPrototype);
    const own = { iterator: record.iterator, inner: undefined };
    own.advance = () => advance(own);
    states.set(made, own);
    return made;
  };
  const wrapped = new WeakMap();
  const wrapPrototype = Object.create(prototype);
  hide(wrapPrototype, {
    next() { const { iterator, next } = wrapped.get(this); return next.call(iterator); },
    return() { const { iterator } = wrapped.get(this); const found = method(iterator, 'return'); return found ? found.call(iterator) : end(); },
  });
  function Iterator() {
    if (new.target === undefined) throw new TypeError("Constructor Iterator requires 'new'");
    if (new.target === Iterator) throw new TypeError('Abstract class Iterator not directly constructable');
  }
  Object.defineProperty(Iterator, 'prototype', { value: prototype, writable: false });
  hide(Iterator, {
    from(value) {
      const record = flattenable(value, 'Iterator.from');
      if (record.iterator instanceof Iterator) return record.iterator;
      const made = Object.create(wrapPrototype);
      wrapped.set(made, record);
      return made;
    },
  });
  const each = (name, visit, last) => ({ [name](callback) {
    const record = open(this, name, callback);
    for (let index = 0, result; (result = step(record)); index++) {
      const { value } = result;
      const found = closing(record.iterator, () => visit(value, callback(value, index)));
      if (found) return close(record.iterator), found.value;
    }
    return last;
  } }[name]);
  hide(prototype, {
    drop(limit) {
      const record = openLimited(this, 'drop', limit);
      let left = record.count;
      return helper(record, () => {
        for (; left > 0; left--) if (!step(record)) return undefined;
        return step(record);
      });
    },
    every: each('every', (_, result) => (result ? undefined : { value: false }), true),
    filter(predicate) {
      const record = open(this, 'filter', predicate);
      let index = 0;
      return helper(record, () => {
        for (let result; (result = step(record)); ) if (closing(record.iterator, () => predicate(result.value, index++))) return result;
      });
    },
    find: each('find', (value, result) => (result ? { value } : undefined)),
    flatMap(mapper) {
      const record = open(this, 'flatMap', mapper);
      let index = 0;
      return helper(record, (own) => {
        for (;;) {
          const result = own.inner && closing(record.iterator, () => step(own.inner));
          if (result) return result;
          own.inner = undefined;
          const outer = step(record);
          if (!outer) return undefined;
          own.inner = closing(record.iterator, () => flattenable(mapper(outer.value, index++), 'Iterator.prototype.flatMap'));
        }
      });
    },
    forEach: each('forEach', () => undefined),
    map(mapper) {
      const record = open(this, 'map', mapper);
      let index = 0;
      return helper(record, () => {
        const result = step(record);
        return result && { value: closing(record.iterator, () => mapper(result.value, index++)), done: false };
      });
    },
    reduce(reducer, ...initial) {
      const record = open(this, 'reduce', reducer);
      let [index, value] = [0, initial[0]];
      if (initial.length === 0) {
        const first = step(record);
        if (!first) throw new TypeError('Reduce of a done iterator with no initial value');
        [index, value] = [1, first.value];
      }
      for (let result; (result = step(record)); index++) value = closing(record.iterator, () => reducer(value, result.value, index));
      return value;
    },
    some: each('some', (_, result) => (result ? { value: true } : undefined), false),
    take(limit) {
      const record = openLimited(this, 'take', limit);
      let left = record.count;
      return helper(record, () => {
        if (left-- > 0) return step(record);
        close(record.iterator);
      });
    },
    toArray() {
      if (!isObject(this)) throw new TypeError('Iterator.prototype.toArray called on non-object');
      const [record, list] = [direct(this), []];
      for (let result; (result = step(record)); ) list.push(result.value);
      return list;
    },
  });
  Object.defineProperty(prototype.reduce, 'length', { value: 1 });
  const accessor = (key, value) => Object.defineProperty(prototype, key, { get: () => value, set(own) { Object.defineProperty(this, key, { value: own, writable: true, configurable: true, enumerable: true }); }, configurable: true });
  accessor('constructor', Iterator);
  accessor(Symbol.toStringTag, 'Iterator');
  hide(globalThis, { Iterator });
}
if (!globalThis.Iterator) defineIteratorHelpers();

const timeoutSignal = AbortSignal.timeout;

/** Characters of the output of a program that are kept. The machine ends a program that prints more. */
const MOST_OUTPUT = 64 << 20;

const macrotask = () => new Promise((resolve) => setImmediate(resolve));

/** Ends the running program, if it has not ended: `(error) => void`. */
let unhandled = () => {};

async function run({ source, opened, input, answers, order }) {
  const lines = [];
  let end;
  // The output of a program is well-formed Unicode: a lone surrogate becomes U+FFFD. A program that has ended prints nothing.
  let left = MOST_OUTPUT;
  let isSettled = false;
  const write = (text, _, done) => { isSettled ||= text === 'settled\n'; if (!end && (left -= text.length) >= 0) lines.push(untraced(text.slice(0, -1)).toWellFormed()); done(); };
  const console = new Console({ stdout: new Writable({ decodeStrings: false, write }), colorMode: false });
  class TimeoutError extends Error { constructor(message) { super(message); this.name = 'TimeoutError'; } }
  class CancelledError extends Error { constructor(message) { super(message); this.name = 'CancelledError'; } }
  const counts = new Map();
  const describe = (what, options) => {
    const key = options?.key;
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
    return `${what}${options == null ? '' : ` ${JSON.stringify(options)}`}${key === undefined ? '' : ` #${counts.get(key)}`}`.toWellFormed();
  };
  // Open calls in order of number. Their lines are written when no task can run.
  const open = [];
  let shown = 0;
  const showNew = () => {
    for (const call of open.filter((call) => call.line !== undefined)) {
      call.place = shown++;
      if (call.hasAnswer) call.reply = next();
      end ?? lines.push(call.line);
      call.line = undefined;
    }
  };
  const ask = (what, options) => {
    showNew();
    shown++;
    end ?? lines.push(describe(what, options));
  };
  /** Adds an open call; its signal removes it. */
  const push = (call, signal) => {
    open.push(call);
    signal?.addEventListener('abort', () => {
      if (open.includes(call)) open.splice(open.indexOf(call), 1), call.reject(signal.reason);
    });
  };
  const openCall = (what, options, hasAnswer = true) => {
    const { signal, ...others } = options ?? {};
    if (signal?.aborted) return Promise.reject(signal.reason);
    const line = describe(what, options == null ? options : others);
    return new Promise((resolve, reject) => push({ line, resolve, reject, hasAnswer }, signal));
  };
  const settle = ({ resolve, reject, reply }) => {
    const { answer, error } = reply ?? {};
    error ? reject(error) : resolve(answer);
  };
  // As in the test of the machine. After the end the oldest call is first; those that only Node makes change nothing.
  const rank = ({ place }) => Math.imul(order ^ place, 2_654_435_761) >>> 0;
  const choose = () => {
    if (order === undefined || order === null || isSettled) return 0;
    return open.reduce((first, call, at) => (rank(call) < rank(open[first]) ? at : first), 0);
  };
  // The answer `!Name: message` is an error.
  const next = () => {
    const answer = answers.length > 0 && !isSettled ? answers.shift() : 'no answer';
    const [, name, message] = /^!(\w+): (.*)$/s.exec(answer) ?? [];
    if (name === undefined) return { answer };
    const known = { TimeoutError, CancelledError }[name];
    return { error: known ? new known(message) : Object.assign(new Error(message), { name }) };
  };
  const answered = ({ answer, error }) => { if (error) throw error; return answer; };
  const CC = (prompt, options) => { ask(`CC ${String(prompt)}`, options); return answered(next()); };
  const question = (question) => {
    const { prompt, tool, args, signal, ...options } = typeof question === 'string' ? { prompt: question } : question;
    const given = Object.values(options).some((value) => value !== undefined) ? options : undefined;
    return [tool === undefined ? `CC ${prompt}` : `${tool} ${JSON.stringify(args ?? null)}`, given];
  };
  CC.all = (questions) => {
    questions.forEach((one) => ask(...question(one)));
    return questions.map(next).map(answered);
  };
  const call = (tool, args, options) => { ask(`${tool} ${JSON.stringify(args ?? null)}`, options); return answered(next()); };
  const sleep = (ms) => { if (Number(ms) > 0) ask('timer', { timeoutMs: Math.ceil(ms) }); };
  const sleepUntil = (moment) => {
    const until = typeof moment === 'number' ? moment : Date.parse(moment);
    if (until > NOW) ask('timer', { until });
  };
  const fs = {
    readFile: (path) => { ask(`fs.readFile ${JSON.stringify({ path })}`); return answered(next()); },
    listFiles: (path) => { ask(`fs.listFiles ${JSON.stringify({ path })}`); return answered(next()); },
    writeFile: (path, text) => ask(`fs.writeFile ${JSON.stringify({ path, text })}`),
  };
  const functions = new Map();
  const tool = (path) => {
    const call = (args, options) => {
      try {
        const text = JSON.stringify(args);
        return openCall(`${path} ${text ?? null}`, options && typeof options === 'object' ? options : undefined);
      } catch (error) {
        return Promise.reject(error);
      }
    };
    const get = (target, name) => (typeof name !== 'string' || name in target ? target[name] : toolAt(`${path}.${name}`));
    return new Proxy(Object.defineProperty(call, 'name', { value: path.split('.').at(-1) }), { get });
  };
  const toolAt = (path) => {
    if (!functions.has(path)) functions.set(path, tool(path));
    return functions.get(path);
  };
  const tools = new Proxy({}, { get: (_, name) => toolAt(name) });
  const $open = {
    CC: (prompt, options) => openCall(`CC ${String(prompt)}`, options),
    ask: (prompt, options) => openCall(`CC ${String(prompt)}`, options),
    'CC.all': (questions) => {
      let left = questions.length;
      const [values, errors] = [[], []];
      return new Promise((resolve, reject) => {
        const finish = () => (errors.length > 0 ? reject(Object.values(errors)[0]) : resolve(values));
        if (left === 0) finish();
        const aborted = questions.find((one) => one.signal?.aborted);
        if (aborted) return reject(aborted.signal.reason);
        questions.forEach((one, index) => {
          const line = describe(...question(one));
          const settleIn = (list) => (value) => { list[index] = value; if (--left === 0) finish(); };
          push({ line, resolve: settleIn(values), reject: settleIn(errors), hasAnswer: true }, one.signal);
        });
      });
    },
    call: (tool, args, options) => openCall(`${tool} ${JSON.stringify(args ?? null)}`, options),
    sleep: (ms) => (Number(ms) > 0 ? openCall('timer', { timeoutMs: Math.ceil(ms) }, false) : Promise.resolve()),
    sleepUntil: (moment) => {
      const until = typeof moment === 'number' ? moment : Date.parse(moment);
      return until > NOW ? openCall('timer', { until }, false) : Promise.resolve();
    },
    'fs.readFile': (path) => openCall(`fs.readFile ${JSON.stringify({ path })}`),
    'fs.listFiles': (path) => openCall(`fs.listFiles ${JSON.stringify({ path })}`),
    'fs.writeFile': (path, text) => openCall(`fs.writeFile ${JSON.stringify({ path, text })}`, undefined, false),
  };
  const setTimeout = (callback, ms, ...args) => {
    if (typeof callback !== 'function') queueMicrotask(callback);
    const timeoutMs = ms >= 1 && ms <= 2_147_483_647 ? Math.trunc(ms) : 1;
    const call = { line: describe('timer', { timeoutMs }), hasAnswer: false };
    call.resolve = () => { try { callback(...args); } catch (error) { $fail(error); } };
    open.push(call);
    return call;
  };
  const clearTimeout = (timer) => {
    const call = timer?.call ?? timer;
    if (timer?.call) timer.call = undefined;
    if (open.includes(call)) open.splice(open.indexOf(call), 1);
  };
  const setInterval = (callback, ms, ...args) => {
    const timer = {};
    const repeat = () => { timer.call = setTimeout(() => { callback(...args); if (timer.call) repeat(); }, ms); };
    if (typeof callback === 'function') repeat();
    else setTimeout(callback, ms);
    return timer;
  };
  const clearInterval = (timer) => {
    clearTimeout(timer?.call);
    if (timer) timer.call = undefined;
  };
  AbortSignal.timeout = (ms) => {
    timeoutSignal(ms);
    const controller = new AbortController();
    const resolve = () => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    // The program ends without it.
    open.push({ line: describe('timer', { timeoutMs: Math.max(ms, 1) }), resolve, hasAnswer: false, isUnawaited: true });
    return controller.signal;
  };
  // `main` is called with the input unless the program uses it.
  const names = source.replace(/'[^'\n]*'|"[^"\n]*"/g, '').match(/(?<![.\w]|typeof )main\b(?! *:|\.name)/g) ?? [];
  const tail = /(^|[;}] *)((async )?function|const) main\b/m.test(source) && names.length === 1 ? '\n;return await main(input)' : '';
  const $fail = (error) => {
    const known = error instanceof Error;
    end ??= { lines, error: known ? `${error.name}: ${error.message}` : `Uncaught: ${String(error)}` };
  };
  unhandled = $fail;
  const outside = { CC, ask: CC, tools, call, sleep, sleepUntil, fs, console, input, TimeoutError, CancelledError, setTimeout, clearTimeout, setInterval, clearInterval, $open, $fail };
  let result;
  try {
    const text = openCalls(source, opened);
    const program = new AsyncFunction(...Object.keys(outside), `"use strict";try{${text}${tail}\n}catch($error){$fail($error)}`);
    program(...Object.values(outside)).then((value) => { result = { lines, result: value === undefined ? null : JSON.parse(JSON.stringify(value)) }; }).catch($fail);
  } catch (error) {
    $fail(error);
  }
  for (;;) {
    await macrotask();
    if (end) return end;
    if (open.some((call) => !call.isUnawaited || !result)) {
      showNew();
      settle(...open.splice(choose(), 1));
    } else {
      return result ?? { lines, error: 'DeadlockError' };
    }
  }
}

// Node ends a program with an unhandled rejection.
process.on('unhandledRejection', (error) => unhandled(error));
process.on('uncaughtException', (error) => unhandled(error));

// Those handlers would also swallow an error of this script.
try {
  for (const program of JSON.parse(readFileSync(0, 'utf8'))) {
    const begun = performance.now();
    const result = { ...(await run(program)), ms: performance.now() - begun };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
} catch (error) {
  process.stderr.write(`${error?.stack ?? String(error)}\n`);
  process.exit(1);
}
