// Draws an execution. The extension sends the data of `src/run-page.ts`; every text becomes a text node, never markup.

import { ComparePanel } from "./compare.js";
import { element, section } from "./elements.js";

const vscode = acquireVsCodeApi();
const page = document.getElementById("page");
const { id, state: given } = document.body.dataset;
const { state } = vscode.getState() ?? { state: JSON.parse(given) };
vscode.setState({ id, state });
const panel = new ComparePanel(state, keep, (turns) => vscode.postMessage({ type: "compare", ...turns }));

/** Keeps what the person chose, in the window and in the extension: either may end alone. */
function keep(chosen) {
  vscode.setState({ id, state: chosen });
  vscode.postMessage({ type: "state", state: chosen });
}

function header({ program, version, status, statusText, started, id: execution }) {
  const chip = element("span", `chip ${status}`, statusText);
  const about = `version ${version} · started ${new Date(started).toLocaleString()}`;
  const code = element("code", "quiet", execution);
  return element("header", "", element("div", "title", element("h1", "", program), chip), element("p", "quiet", about, " · ", code));
}

const MARKS = { answered: "✓", defaulted: "⏱", timed_out: "⏱", failed: "✗", cancelled: "–" };

/** The buttons of what a person does with a call: their message and text. */
const ACTIONS = {
  answer: [["answer", "Answer…"]],
  review: [["review", "Review…"]],
  decide: [
    ["approve", "Approve"],
    ["reject", "Reject…"],
  ],
};

function button([type, text], id) {
  const made = element("button", type === "reject" ? "secondary" : "", text);
  made.addEventListener("click", () => vscode.postMessage({ type, call: id }));
  return made;
}

function call(item) {
  const waits = item.outcome === null;
  const mark = element("span", `mark ${item.outcome ?? "open"}`, waits ? "" : (MARKS[item.outcome] ?? "•"));
  mark.setAttribute("aria-label", item.outcome ?? "open");
  const details = [item.kind === "cc" || item.approval ? null : item.kind, item.by && `by ${item.by}`, item.latencyMs !== null && `after ${duration(item.latencyMs)}`];
  const body = element("div", "body", element("p", "prompt", item.text));
  if (item.answer !== null) body.append(element("p", "answer", item.answer));
  else if (!waits) body.append(element("p", "answer", item.outcome.replace("_", " ")));
  const line = details.filter(Boolean).join(" · ");
  if (line) body.append(element("p", "quiet", line));
  if (item.approval?.args) body.append(element("pre", "console", item.approval.args));
  if (item.approval) body.append(element("p", "quiet", `line ${item.approval.line} · waits for your approval`));
  if (item.action === "review") body.append(element("p", "quiet", "waits for your consent"));
  if (item.action !== null) body.append(element("p", "actions", ...ACTIONS[item.action].map((action) => button(action, item.id))));
  else if (waits && !item.approval) body.append(element("p", "quiet", "waiting"));
  return element("li", waits ? "waiting" : "", mark, body);
}

function timeline({ calls, omittedCalls, status }) {
  if (calls.length === 0) return section("Timeline", element("p", "quiet", status === "running" ? "No call yet." : "It made no call."));
  const list = element("ol", "timeline", ...calls.map(call));
  return section("Timeline", omittedCalls > 0 && element("p", "quiet", `${omittedCalls} earlier calls are not shown.`), list);
}

function output({ output: lines, omittedLines, result, error }) {
  const parts = [];
  if (omittedLines > 0) parts.push(element("p", "quiet", `${omittedLines} earlier lines are not shown.`));
  parts.push(lines.length === 0 ? element("p", "quiet", "Nothing printed yet.") : element("pre", "console", lines.join("\n")));
  if (result !== null && result !== "null") parts.push(element("h3", "", "Result"), element("pre", "console", result));
  if (error !== null) parts.push(element("pre", "console failure", error));
  return section("Output", ...parts);
}

function variables({ frames }) {
  const shown = frames.filter((frame) => frame.variables.length > 0);
  if (shown.length === 0) return null;
  const parts = shown.map((frame) => {
    const rows = frame.variables.map(({ name, text }) => element("tr", "", element("th", "", name), element("td", "", element("code", "", text))));
    return element("div", "frame", element("h3", "", `${frame.function} · line ${frame.line}`), element("table", "", element("tbody", "", ...rows)));
  });
  return section("Variables", ...parts);
}

function program({ source, lines }) {
  const marked = new Map();
  for (const mark of lines) marked.set(mark.line, [...(marked.get(mark.line) ?? []), mark]);
  const rows = source.map((text, index) => {
    const marks = marked.get(index + 1) ?? [];
    const row = element("div", `line ${marks[0]?.kind ?? ""}`, element("span", "number", String(index + 1)), element("code", "", text || " "));
    if (marks.length > 0) row.append(element("span", "note", marks.map((mark) => mark.text).join(" · ")));
    return row;
  });
  return section("Program", element("div", "source", ...rows));
}

function duration(ms) {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 360_000) / 10} h`;
}

function draw(data) {
  if (data.missing !== undefined) return page.replaceChildren(element("p", "quiet", data.missing));
  const { scrollY } = window;
  const left = element("div", "column", timeline(data), output(data));
  const right = element("div", "column", program(data), variables(data) ?? "");
  panel.draw(data);
  page.replaceChildren(header(data), panel.element, element("div", "columns", left, right));
  window.scrollTo(0, scrollY);
}

window.addEventListener("message", ({ data }) => {
  if (data?.id !== id) return;
  if (data.comparison === undefined) draw(data);
  else panel.show(data.comparison);
});
vscode.postMessage({ type: "ready" });
