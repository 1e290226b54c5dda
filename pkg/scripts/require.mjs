// Declarations for `require`: TypeScript that becomes CommonJS may only name what is declared for it, though Node (20.19 and later) loads modules
// by `require` too. They declare nothing of their own but say that all of it is what the modules export, so that both are the same types.

import { writeFileSync } from "node:fs";

import ts from "typescript";

const HEAD = "// As the declarations beside it, for TypeScript that becomes CommonJS.\n";

/** Writes dist/types/NAME.d.cts beside each dist/types/NAME.d.ts. */
export function forRequire(names) {
  const files = names.map((name) => `dist/types/${name}.d.ts`);
  const program = ts.createProgram(files, { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ["node"] });
  const checker = program.getTypeChecker();
  names.forEach((name, at) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(files[at]));
    const lines = checker.getExportsOfModule(module).flatMap((symbol) => declared(checker, symbol)).sort();
    const from = `"./${name}.js" with { "resolution-mode": "import" }`;
    writeFileSync(`dist/types/${name}.d.cts`, `${HEAD}import type * as m from ${from};\nexport type * from ${from};\n${lines.join("\n")}\n`);
  });
}

/** What is a value, and a type of that name, where it is one too: what is declared here hides what is passed on. */
function declared(checker, exported) {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  if (!(symbol.flags & ts.SymbolFlags.Value) || isTypeOnly(exported)) return [];
  const { name } = exported;
  const value = `export declare const ${name}: typeof m.${name};`;
  if (!(symbol.flags & ts.SymbolFlags.Class)) return [value];
  const parameters = symbol.declarations.find(ts.isClassDeclaration).typeParameters ?? [];
  const given = parameters.map((parameter) => parameter.getText().replace(/\bPlain\b/g, "m.Plain"));
  const names = parameters.map((parameter) => parameter.name.text);
  const angled = (list) => (list.length === 0 ? "" : `<${list.join(", ")}>`);
  return [value, `export type ${name}${angled(given)} = m.${name}${angled(names)};`];
}

/** Whether it is exported by `export type`. */
function isTypeOnly(symbol) {
  return symbol.declarations?.some((at) => ts.isExportSpecifier(at) && (at.isTypeOnly || at.parent.parent.isTypeOnly)) ?? false;
}
