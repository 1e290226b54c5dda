// Prints programs without their types, for Node: reads a JSON array of sources, and writes one of JavaScript. TypeScript is that of the package.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { transpileModule } = createRequire(new URL('../../pkg/package.json', import.meta.url))('typescript');
const compilerOptions = { target: 'ES2022', module: 'ESNext', verbatimModuleSyntax: true };

/** Returns the body of a function: without types, and without exports, which a body cannot have. */
const strip = (source) => transpileModule(source, { compilerOptions }).outputText.replace(/^export \{\};$/gm, '').replace(/^export /gm, '');

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(strip)));
