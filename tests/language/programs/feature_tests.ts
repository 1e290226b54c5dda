//// feature tests of names that are missing
console.log(typeof window, typeof document === 'undefined', typeof notThere, typeof window == 'object', 'undefined' !== typeof window);
const isBrowser = typeof window !== 'undefined' && typeof window.document !== 'undefined';
console.log(isBrowser, isBrowser ? window.location.href : 'no browser', isBrowser && window.document.title);
if (typeof Deno !== 'undefined') { const code = Deno.args.length; Deno.exit(code); } else console.log('no Deno');
if (!(typeof Bun === 'undefined')) Bun.serve({}); else if (typeof Deno === 'object') Deno.exit(); else console.log('no Bun');
if (typeof window === 'undefined' || window.closed) console.log('a server');
if (isBrowser && window.alert) window.alert(1);
const root = typeof window === 'undefined' ? { name: 'own' } : window;
console.log(root, typeof Deno !== 'undefined' && Deno.version, typeof Deno === 'undefined' || Deno.version, (typeof Deno !== 'undefined' && Deno.version) ?? 'none');
while (typeof window !== 'undefined' && window.open) console.log('never');
for (let i = 0; i < 2 && (typeof window === 'undefined' || window.open); i++) console.log(i);
const read = typeof window !== 'undefined' ? () => window.name : () => 'a name'; console.log(read(), read.name);
//// operands of feature tests are evaluated
const seen = []; const see = (value) => { seen.push(value); return value; };
if (see(1) && typeof window !== 'undefined' && see('never')) window.open();
if (typeof window !== 'undefined' || see(2)) console.log('either');
console.log(see(0) || typeof window !== 'undefined', see(3) && typeof window !== 'undefined' && window.name, seen);
//// types of names that are there
console.log(typeof globalThis, typeof Symbol, typeof Math, typeof JSON, typeof console, typeof Map, typeof parseInt, typeof undefined, typeof NaN, typeof structuredClone === 'function' ? structuredClone([1]) : null);
//// members of the global object
console.log(globalThis.notThere, globalThis.notThere?.x, globalThis?.notThere, typeof globalThis.notThere, globalThis.notThere?.(1), globalThis.notThere ? notThere() : 'none');
console.log(globalThis.Math.max(1, 2), globalThis.parseInt('12px'), globalThis.Array.isArray([]), new globalThis.Map([[1, 2]]), globalThis.NaN, globalThis.undefined, globalThis.structuredClone({ a: 1 }), globalThis.Math === Math);
try { globalThis.notThere(); } catch (error) { console.log(error.name, error.message); }
try { globalThis.notThere.x; } catch (error) { console.log(error.name, error.message); }
console.log(await globalThis.Promise.resolve(3), new globalThis.URL('https://example.com/a').pathname);
