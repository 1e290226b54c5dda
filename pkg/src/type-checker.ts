// The thread that checks the types of scripts; src/node/script-types.ts starts it. It answers each script with its
// complaints: arguments that tools do not take, and members that their results do not have.
//
// A script is refused only for what cannot work. So it is also checked with tools of any type: what is found then too
// is not about tools. Values that may be right at run time are accepted, such as a `string` for one of some texts.

import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";

import type * as TypeScript from "typescript";

import type { CheckedScript, TypeDiagnostic } from "./code-states.js";

const ts = createRequire(import.meta.url)(workerData as string) as typeof TypeScript;

const SCRIPT = "/script.ts";
const TOOLS = "/tools.d.ts";

/** The script is the body of a function, which begins in a line of its own. */
const HEAD = "async function script(input: any) {\n";

const OPTIONS: TypeScript.CompilerOptions = {
  target: ts.ScriptTarget.ESNext, lib: ["lib.esnext.d.ts"], types: [], strict: false, noEmit: true, allowUnreachableCode: true, noErrorTruncation: false,
};

/** Most complaints about a script. */
const MOST = 20;

/** Longest message and hint, in letters. */
const LETTERS = 500;

/** Codes of errors about arguments. */
const ARGUMENTS: ReadonlySet<number> = new Set([2322, 2345, 2353, 2554, 2555, 2559, 2561, 2739, 2740, 2741]);

/** Codes of errors about members that a type does not have. */
const MEMBERS: ReadonlySet<number> = new Set([2339, 2551]);

/** The files of the library, parsed once. */
const libraries = new Map<string, TypeScript.SourceFile | undefined>();

parentPort?.on("message", ({ id, script, declarations }: CheckedScript) => {
  parentPort?.postMessage({ id, found: typeof ts.createProgram === "function" ? check(script, declarations) : [] });
});

function check(script: string, declarations: string): TypeDiagnostic[] {
  const typed = createProgram(script, declarations);
  const found = problemsOf(typed);
  if (found.length === 0) return [];
  const others = new Set(problemsOf(createProgram(script, "declare const tools: any;")).map(keyOf));
  return found.filter((one) => !others.has(keyOf(one)) && isCertain(one, typed)).slice(0, MOST).map((one) => describe(one, script, typed));
}

function createProgram(script: string, declarations: string): TypeScript.Program {
  const host = ts.createCompilerHost(OPTIONS);
  const files = new Map([[SCRIPT, `${HEAD}${script}\n}`], [TOOLS, declarations]]);
  const readLibrary = host.getSourceFile.bind(host);
  host.getSourceFile = (name, target) => {
    const text = files.get(name);
    if (text !== undefined) return ts.createSourceFile(name, text, target);
    if (!libraries.has(name)) libraries.set(name, readLibrary(name, target));
    return libraries.get(name);
  };
  host.fileExists = (name) => files.has(name) || ts.sys.fileExists(name);
  return ts.createProgram([TOOLS, SCRIPT], OPTIONS, host);
}

function problemsOf(program: TypeScript.Program): readonly TypeScript.Diagnostic[] {
  return program.getSemanticDiagnostics(program.getSourceFile(SCRIPT)).filter(({ code }) => ARGUMENTS.has(code) || MEMBERS.has(code));
}

function keyOf({ code, start }: TypeScript.Diagnostic): string {
  return `${code} ${start}`;
}

function isCertain(problem: TypeScript.Diagnostic, program: TypeScript.Program): boolean {
  const lines = messageOf(problem).split("\n").map((line) => line.trim());
  if (MEMBERS.has(problem.code)) {
    // A member may be added, or was, and one of several types may have it.
    const [, type = ""] = / on type '(.*)'/.exec(lines[0] ?? "") ?? [];
    return !isAssigned(nodeAt(problem, program)) && type !== "{}" && !hasAlternatives(type);
  }
  return toolCallAt(problem, program) !== undefined && !lines.some((line) => {
    const [, from = "", to = ""] = /type '(.*)' is not assignable to (?:parameter of )?type '(.*?)'\.?$/i.exec(line) ?? [];
    // A date becomes text, and a list that is read-only is a list.
    return /^Date$|\breadonly\b/.test(from) || /'readonly'/.test(line) || hasAlternatives(from) || isWidened(from, to);
  });
}

/** Whether a type is a union. Types of its members do not count. */
function hasAlternatives(type: string): boolean {
  const outer = type.replace(/\{[^{}]*\}/g, "");
  return outer === type ? type.includes(" | ") : hasAlternatives(outer);
}

/** Whether a value of the type `from` may be one of the literals of `to`. */
function isWidened(from: string, to: string): boolean {
  return (from === "string" && to.includes('"')) || (from === "number" && /(?:^|\| )-?\d/.test(to)) || (from === "boolean" && /\b(?:true|false)\b/.test(to));
}

function nodeAt({ start = 0 }: TypeScript.Diagnostic, program: TypeScript.Program): TypeScript.Node | undefined {
  const file = program.getSourceFile(SCRIPT);
  let found: TypeScript.Node | undefined;
  const visit = (node: TypeScript.Node): void => {
    if (file === undefined || node.getStart(file) > start || node.getEnd() <= start) return;
    found = node;
    ts.forEachChild(node, visit);
  };
  if (file !== undefined) visit(file);
  return found;
}

function isAssigned(node: TypeScript.Node | undefined): boolean {
  const access = node?.parent;
  const assignment = access?.parent;
  return assignment !== undefined && ts.isBinaryExpression(assignment) && assignment.left === access && assignment.operatorToken.kind === ts.SyntaxKind.EqualsToken;
}

/** The call of a tool around a problem. */
function toolCallAt(problem: TypeScript.Diagnostic, program: TypeScript.Program): TypeScript.CallExpression | undefined {
  for (let node = nodeAt(problem, program); node !== undefined; node = node.parent) {
    if (ts.isCallExpression(node) && signatureOf(node, program)?.declaration?.getSourceFile().fileName === TOOLS) return node;
    if (ts.isFunctionLike(node)) return undefined;
  }
  return undefined;
}

function signatureOf(call: TypeScript.CallExpression, program: TypeScript.Program): TypeScript.Signature | undefined {
  return program.getTypeChecker().getResolvedSignature(call);
}

function describe(problem: TypeScript.Diagnostic, script: string, program: TypeScript.Program): TypeDiagnostic {
  const { line, character } = ts.getLineAndCharacterOfPosition(problem.file as TypeScript.SourceFile, problem.start as number);
  const call = toolCallAt(problem, program);
  const signature = call === undefined ? undefined : signatureOf(call, program);
  const hint = call === undefined || signature === undefined ? undefined : `it is ${call.expression.getText()}${program.getTypeChecker().signatureToString(signature)}`;
  return {
    // The head is a line of its own, so the number from 0 is that of the script from 1.
    file: "script.ts", line, column: character + 1, kind: "type", message: shorten(messageOf(problem).replace(/\n\s*/g, " ")),
    ...(hint !== undefined && { hint: shorten(hint) }), sourceLine: (script.split(/\r\n|[\r\n\u2028\u2029]/)[line - 1] ?? "").slice(0, 200),
  };
}

function messageOf({ messageText }: TypeScript.Diagnostic): string {
  return ts.flattenDiagnosticMessageText(messageText, "\n");
}

function shorten(text: string): string {
  return text.length > LETTERS ? `${text.slice(0, LETTERS)}…` : text;
}
