// Compares two turns of an execution: the lines printed between them, and the variables at each. The extension sends
// the data of `src/turn-comparison.ts`.

import { element } from "./elements.js";

/** The panel lives as long as the page, so that a redraw keeps its choices. `state` is stored with the window:
 * `{ open, from, to }`. */
export class ComparePanel {
  #state;
  #save;
  #request;
  /** Earliest first: `{ value, label }`. */
  #moments = [];
  #signature = "";
  #selects = ["Earlier turn", "Later turn"].map((label) => {
    const select = element("select", "");
    select.setAttribute("aria-label", label);
    select.addEventListener("change", () => this.#choose());
    return select;
  });
  #result = element("div", "comparison");

  constructor(state, save, request) {
    this.#state = state ?? {};
    this.#save = save;
    this.#request = request;
    this.#result.setAttribute("aria-live", "polite");
    const choice = element("p", "turns", "From ", this.#selects[0], " to ", this.#selects[1]);
    this.element = element("details", "compare", element("summary", "", "Compare two turns"), choice, this.#result);
    this.element.open = this.#state.open === true;
    this.element.addEventListener("toggle", () => {
      this.#update({ open: this.element.open });
      this.#compare();
    });
  }

  /** Offers the turns of this data. */
  draw({ calls, status, statusText }) {
    const moments = calls.map(({ step, text }) => ({ value: String(step), label: `${step}. ${shorten(text)}` }));
    if (status === "complete" || status === "error") moments.push({ value: "end", label: `end: ${statusText}` });
    this.element.hidden = moments.length < 2;
    const signature = JSON.stringify(moments);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#moments = moments;
    const chosen = [this.#state.from, this.#state.to].map((value) => moments.some((moment) => moment.value === value) && value);
    this.#selects.forEach((select, index) => {
      select.replaceChildren(...moments.map(({ value, label }) => Object.assign(element("option", "", label), { value })));
      select.value = chosen[index] || moments.at(index - 2)?.value;
    });
    this.#compare();
  }

  #update(change) {
    this.#state = { ...this.#state, ...change };
    this.#save(this.#state);
  }

  #choose() {
    const [from, to] = this.#selects.map((select) => select.value);
    this.#update({ from, to });
    this.#compare();
  }

  /** The chosen turns, earliest first. */
  #chosen() {
    const order = (value) => this.#moments.findIndex((moment) => moment.value === value);
    return this.#selects.map((select) => select.value).sort((a, b) => order(a) - order(b));
  }

  #compare() {
    if (!this.element.open || this.#moments.length < 2) return;
    if (!this.#result.hasChildNodes()) this.#result.append(element("p", "quiet", "Comparing…"));
    const [from, to] = this.#chosen().map((value) => (value === "end" ? value : Number(value)));
    this.#request({ from, to });
  }

  /** Shows a comparison, unless others have been chosen since it was requested. */
  show({ from, to, output, functions, note }) {
    const chosen = this.#chosen();
    if (String(from) !== chosen[0] || String(to) !== chosen[1]) return;
    const parts = [];
    if (note !== null) parts.push(element("p", "quiet", note));
    if (output !== null) {
      const text = output.length === 0 ? element("p", "quiet", "Nothing was printed between these turns.") : element("pre", "console added", output.join("\n"));
      parts.push(element("h3", "", "Output between"), text);
    }
    if (functions.length > 0) parts.push(variables(functions, from, to));
    this.#result.replaceChildren(...parts);
  }
}

function variables(functions, from, to) {
  const heads = ["Variable", ...[from, to].map((moment) => (moment === "end" ? "at the end" : `at turn ${moment}`))];
  const columns = element("tr", "", ...heads.map((text) => Object.assign(element("th", "", text), { scope: "col" })));
  const bodies = functions.map(({ name, lines, variables: rows }) => {
    const title = Object.assign(element("th", "", describe(name, lines)), { colSpan: 3, scope: "rowgroup" });
    return element("tbody", "", element("tr", "function", title), ...rows.map(variable));
  });
  return element("table", "variables", element("thead", "", columns), ...bodies);
}

function describe(name, [before, after]) {
  if (before === undefined && after === undefined) return name;
  if (before === undefined) return `${name} · called since, line ${after}`;
  if (after === undefined) return `${name} · line ${before}, has returned`;
  return before === after ? `${name} · line ${before}` : `${name} · line ${before} → ${after}`;
}

function variable({ name, before, after, changed }) {
  const mark = changed && Object.assign(element("span", "dot", "●"), { title: "changed" });
  if (mark) mark.setAttribute("aria-label", "changed");
  const head = Object.assign(element("th", "", element("code", "", name), mark), { scope: "row" });
  return element("tr", changed ? "changed" : "", head, value(before), value(after));
}

/** As the engine writes a variable before its first assignment. */
const UNASSIGNED = "<not yet assigned>";

function value(text) {
  if (text === undefined || text === UNASSIGNED) return element("td", "quiet", text === undefined ? "–" : "unassigned");
  return element("td", "", element("code", "", text));
}

function shorten(text) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
