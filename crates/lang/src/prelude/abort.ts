// AbortController and AbortSignal. DOM Standard (WHATWG) §3.1, §3.2; the texts are those of Node. `$…` are functions of the machine.
let abort;

class Event {
  type = "abort";
  target;
  currentTarget;
  constructor(target) {
    this.target = this.currentTarget = target;
  }
  preventDefault() {}
  stopPropagation() {}
}

export class AbortSignal {
  // The machine reads the first private field.
  #reason;
  #sources = [];
  #dependents = [];
  #listeners = [];
  #handler = null;

  constructor(key) {
    if (key !== abort) throw new TypeError("Illegal constructor");
  }

  get aborted() {
    return this.#reason !== undefined;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#reason !== undefined) throw this.#reason;
  }

  addEventListener(type, listener, options) {
    const { once, capture, signal } = typeof options === "object" && options !== null ? options : { capture: options };
    if (listener == null || signal?.aborted) return;
    if (typeof listener !== "function" && typeof listener !== "object")
      throw new TypeError('The "listener" argument must be an instance of EventListener.');
    if (this.#find(type, listener, capture)) return;
    this.#listeners.push({ type: `${type}`, listener, capture: !!capture, once, removed: false });
    signal?.addEventListener("abort", () => this.removeEventListener(type, listener, capture));
  }

  removeEventListener(type, listener, options) {
    const found = this.#find(type, listener, typeof options === "object" && options !== null ? options.capture : options);
    if (!found) return;
    found.removed = true;
    // A list that is being called stays as it is.
    if (!this.aborted) this.#listeners = this.#listeners.filter((one) => !one.removed);
  }

  get onabort() {
    return this.#handler && this.#handler.handler;
  }

  set onabort(handler) {
    if (this.#handler) {
      this.#handler.handler = handler;
      return;
    }
    this.#handler = {
      handler,
      handleEvent(event) {
        if (typeof this.handler === "function") this.handler.call(event.target, event);
      },
    };
    this.addEventListener("abort", this.#handler);
  }

  #find(type, listener, capture) {
    const is = (one) => one.type === `${type}` && one.listener === listener && one.capture === !!capture;
    return this.#listeners.find((one) => is(one) && !one.removed);
  }

  static abort(reason) {
    const signal = new AbortSignal(abort);
    abort(signal, reason);
    return signal;
  }

  static timeout(ms) {
    if (typeof ms !== "number") throw new TypeError('The "delay" argument must be of type number.');
    if (!(ms >= 0 && ms < 2 ** 32 && ms % 1 === 0))
      throw new RangeError(`The value of "delay" is out of range. It must be >= 0 && <= 4294967295. Received ${ms}`);
    const signal = new AbortSignal(abort);
    $timeout(() => abort(signal, $error("TimeoutError", "The operation was aborted due to timeout", 23)), ms);
    return signal;
  }

  static any(signals) {
    if (!Array.isArray(signals)) throw new TypeError('The "signals" argument must be an instance of Array.');
    const [result, list] = [new AbortSignal(abort), [...signals]];
    list.forEach((one, index) => {
      if (!(one instanceof AbortSignal))
        throw new TypeError(`The "signals[${index}]" argument must be an instance of AbortSignal.`);
    });
    const aborted = list.find((one) => one.aborted);
    if (aborted) {
      abort(result, aborted.#reason);
      return result;
    }
    for (const one of list)
      for (const source of one.#sources.length > 0 ? one.#sources : [one])
        if (!result.#sources.includes(source)) {
          result.#sources.push(source);
          source.#dependents.push(result);
        }
    return result;
  }

  static {
    abort = (signal, reason = $error("AbortError", "This operation was aborted", 20)) => {
      if (signal.aborted) return;
      const signals = [signal, ...signal.#dependents.filter((one) => !one.aborted)];
      signal.#dependents = [];
      for (const one of signals) one.#reason = reason;
      for (const one of signals) {
        $calls(one, reason);
        const event = new Event(one);
        // As in Node, the next listener is determined before a listener runs.
        for (let [entry, index] = [one.#listeners[0], 1], next; entry; entry = next) {
          next = one.#listeners[index++];
          const { type, listener, once, removed } = entry;
          if (type !== "abort" || removed) continue;
          entry.removed = once;
          try {
            if (typeof listener === "function") listener.call(one, event);
            else listener.handleEvent(event);
          } catch (error) {
            queueMicrotask(() => {
              throw error;
            });
          }
        }
      }
    };
  }
}

export class AbortController {
  #signal = new AbortSignal(abort);

  get signal() {
    return this.#signal;
  }

  abort(reason) {
    abort(this.#signal, reason);
  }
}
