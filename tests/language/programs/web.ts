//// random UUIDs
const ids = Array.from({ length: 20 }, () => crypto.randomUUID());
console.log(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)), new Set(ids).size, typeof crypto.randomUUID);
//// time of a turn
const start = performance.now();
console.log(typeof start, start >= 0, performance.now() >= start, performance.timeOrigin <= Date.now(), Object.keys(performance));
//// intervals
let count = 0;
const timer = setInterval((word, other) => { console.log(word, other, ++count); if (count === 3) clearInterval(timer); }, 1000, 'tick', 7);
const never = setInterval(() => console.log('never'), 500); clearInterval(never); clearInterval(never); clearInterval(undefined);
let other = 0; const either = setInterval(() => { if (++other === 2) clearTimeout(either); }, 100);
setTimeout(() => console.log('once'), 1500);
for (const wrong of [undefined, 'code', null]) try { setInterval(wrong, 1); } catch (error) { console.log(error.name); }
//// an interval beside calls
const asked = []; const timer = setInterval(() => asked.push('tick'), 10);
console.log(await CC('first?'), await CC('second?')); clearInterval(timer); console.log(asked.length >= 0);
//// an interval that fails
setInterval(() => { throw new TypeError('stop'); }, 5);
//// main that other code calls runs once
async function main(name = 'none') { console.log('main', name); return 1; }
(async () => { try { await main('wrapped'); } catch (error) { console.log(error); } console.log('after'); })();
//// main that a function calls runs once
function main(config) { console.log(config.port); }
function start() { main({ port: 80 }); }
start();
//// main that is an argument runs once
async function timed(name, work) { console.log('begin', name); await work(); console.log('end', name); }
async function main() { console.log('work'); }
timed('main', main);
//// main in a promise and a timer runs once for each
function main() { console.log('ran'); }
Promise.resolve().then(main); setTimeout(main, 1); queueMicrotask(() => main()); const run = main; run(); [main].forEach((f) => f()); main.call(null);
//// main in an object runs once for each call
function main() { console.log('ran'); return 1; }
const api = { main }; console.log(api.main(), ({ main })["main"](), { deep: { main } }.deep.main());
//// main in a field runs once
async function main() { console.log('ran'); } class App { run = main; } await new App().run();
//// main that is returned or assigned runs once for each call
function main() { console.log('ran'); } const get = () => main; get()(); function other() { return main; } other()(); let run; run = main; run();
