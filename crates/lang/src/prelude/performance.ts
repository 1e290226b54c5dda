// High Resolution Time §7 The Performance interface. Deviation: the time of a turn, in whole milliseconds, since the
// start of the program.
class Performance {
  #origin = Date.now();

  get timeOrigin() {
    return this.#origin;
  }

  now() {
    return Date.now() - this.#origin;
  }

  toJSON() {
    return { timeOrigin: this.#origin };
  }
}

export const performance = new Performance();
