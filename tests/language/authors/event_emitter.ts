type Listener<T> = (payload: T) => void;

interface Events {
  message: { from: string; text: string };
  error: Error;
  close: void;
}

class Emitter<E> {
  private listeners: { [K in keyof E]?: Set<Listener<E[K]>> } = {};

  on<K extends keyof E>(event: K, listener: Listener<E[K]>): () => void {
    (this.listeners[event] ??= new Set()).add(listener);
    return () => this.off(event, listener);
  }

  once<K extends keyof E>(event: K, listener: Listener<E[K]>): () => void {
    const off = this.on(event, (payload) => {
      off();
      listener(payload);
    });
    return off;
  }

  off<K extends keyof E>(event: K, listener: Listener<E[K]>): void {
    this.listeners[event]?.delete(listener);
  }

  emit<K extends keyof E>(event: K, payload: E[K]): number {
    const set = this.listeners[event];
    if (!set) return 0;
    for (const listener of [...set]) {
      try {
        listener(payload);
      } catch (error) {
        if (event === "error") throw error;
        this.emit("error" as K, error as E[K]);
      }
    }
    return set.size;
  }
}

const bus = new Emitter<Events>();
const off = bus.on("message", ({ from, text }) => console.log(`[${from}] ${text}`));
bus.once("message", (m) => console.log("first only:", m));
bus.on("error", (e) => console.log("error event:", e.name, e.message));
bus.on("message", ({ text }) => {
  if (text.includes("boom")) throw new RangeError("cannot handle " + text);
});
console.log(bus.emit("message", { from: "ann", text: "hello" }));
console.log(bus.emit("message", { from: "bob", text: "boom!" }));
off();
console.log(bus.emit("message", { from: "cid", text: "quiet" }), bus.emit("close", undefined));
