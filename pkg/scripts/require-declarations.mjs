// Writes declarations for `require`. TypeScript that compiles to CommonJS needs `.d.cts` files, although `require` of
// Node (20.19 and later) loads modules. The files only re-export the declarations of the modules, so that both have
// the same types.

import { writeFileSync } from "node:fs";
import { basename } from "node:path";

import ts from "typescript";

const HEAD = "// The declarations of the module beside this file, for TypeScript that compiles to CommonJS.\n";

/** Writes dist/types/NAME.d.cts beside each dist/types/NAME.d.ts. */
export function writeRequireDeclarations(names) {
  const files = names.map((name) => `dist/types/${name}.d.ts`);
  const program = ts.createProgram(files, { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ["node"] });
  const checker = program.getTypeChecker();
  names.forEach((name, at) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(files[at]));
    const lines = checker.getExportsOfModule(module).flatMap((symbol) => declarationsOf(checker, symbol)).sort();
    const from = `"./${basename(name)}.js" with { "resolution-mode": "import" }`;
    writeFileSync(`dist/types/${name}.d.cts`, `${HEAD}import type * as m from ${from};\nexport type * from ${from};\n${lines.join("\n")}\n`);
  });
}

/** The declarations of an exported value, and of its type if it is a class: a local declaration hides the re-exported
 * one. */
function declarationsOf(checker, exported) {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  if (!(symbol.flags & ts.SymbolFlags.Value) || isTypeOnly(exported)) return [];
  const { name } = exported;
  const value = `export declare const ${name}: typeof m.${name};`;
  if (!(symbol.flags & ts.SymbolFlags.Class)) return [value];
  const parameters = symbol.declarations.find(ts.isClassDeclaration).typeParameters ?? [];
  const typeParameters = parameters.map((parameter) => parameter.getText().replace(/\b(Json|JsonInput|AnyDocument)\b/g, "m.$1"));
  const names = parameters.map((parameter) => parameter.name.text);
  const angled = (list) => (list.length === 0 ? "" : `<${list.join(", ")}>`);
  return [value, `export type ${name}${angled(typeParameters)} = m.${name}${angled(names)};`];
}

/** Whether a symbol is exported by `export type`. */
function isTypeOnly(symbol) {
  return symbol.declarations?.some((at) => ts.isExportSpecifier(at) && (at.isTypeOnly || at.parent.parent.isTypeOnly)) ?? false;
}
