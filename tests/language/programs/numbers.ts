//// integer arithmetic
console.log(7 % 3, -7 % 3, 7 % -3, 5.5 % 2, 2 ** 10, 2 ** 0.5, (-2) ** 2, 7 / 2, 0 / 0, 1 / 0, -1 / 0);
//// floating point
console.log(0.1 + 0.2, 0.1 * 3, 1.1 + 2.2, 9007199254740992 + 1, 1e308 * 10, 5e-324 / 2, 0.1 + 0.7);
//// negative zero
console.log(-0, [-0], Object.is(-0, 0), -0 === 0, 1 / -0, `${-0}`, JSON.stringify(-0), Math.sign(-0), 0 * -1);
//// NaN
console.log(NaN === NaN, Object.is(NaN, NaN), isNaN('x'), Number.isNaN('x'), [NaN].includes(NaN), NaN > 1, NaN != NaN, typeof NaN);
//// rounding
console.log(Math.round(2.5), Math.round(-2.5), Math.round(0.49999999999999994), Math.floor(-1.5), Math.ceil(-1.5), Math.trunc(-1.9), Math.round(1e20));
//// toFixed
console.log((1.005).toFixed(2), (1.45).toFixed(1), (10).toFixed(2), (-1.5).toFixed(0), (1e21).toFixed(2), (0).toFixed(1), (123.456).toFixed(), (0.000001).toFixed(7));
//// toPrecision and toExponential
console.log((123.456).toPrecision(4), (0.00001234).toPrecision(2), (1e21).toPrecision(3), (12345).toExponential(), (0).toExponential(2), (1234.5).toPrecision(2));
//// digits outside the range are rejected
for (const f of [() => (1).toFixed(101), () => (1).toPrecision(0), () => (1).toString(1), () => (1).toExponential(-1)]) try { f(); } catch (e) { console.log(e.name, e.message); }
//// radix
console.log((255).toString(16), (255).toString(2), (-255).toString(36), (0.5).toString(2), (3.75).toString(8), parseInt('ff', 16), parseInt('101', 2), parseInt('z', 36));
//// parseInt
console.log(parseInt('42px'), parseInt('  7'), parseInt('x'), parseInt('0x1A'), parseInt('3.9'), parseInt(''), parseInt('1e3'), parseInt(null), parseInt('12', 10), parseInt('9', 8), parseInt(0.0000005));
//// parseFloat
console.log(parseFloat('3.14abc'), parseFloat('.5'), parseFloat('-.5e-2x'), parseFloat('abc'), parseFloat('Infinity!'), parseFloat('1.2.3'), parseFloat('0x10'));
//// Number
console.log(Number(''), Number(' '), Number('12px'), Number(null), Number(undefined), Number(true), Number([]), Number([5]), Number([1, 2]), Number({}), Number('1_0'), Number(new Date(5)));
//// limits
console.log(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON, Number.POSITIVE_INFINITY);
//// isInteger and isSafeInteger
console.log(Number.isInteger(5.0), Number.isInteger('5'), Number.isInteger(5.5), Number.isSafeInteger(2 ** 53), Number.isSafeInteger(2 ** 53 - 1), Number.isFinite('1'), isFinite('1'));
//// printing large and small numbers
console.log(1e21, 1e20, 123456789012345680000, 1e-6, 1e-7, 1.5e-10, 100, 1e5, 0.1e2, 1.0, 4.35, 2 ** 31, -1e-7);
//// bitwise operators
console.log(5 & 3, 5 | 3, 5 ^ 3, ~5, 1 << 3, -16 >> 2, -16 >>> 28, 1 << 31, 1 << 32, 2 ** 32 | 0, 1.9 | 0, ~~-1.9);
//// compound assignment
let n = 5; n += 2; n -= 1; n *= 3; n /= 2; n %= 5; n **= 2; console.log(n); n = 6; n <<= 2; n >>= 1; n |= 1; n &= 7; n ^= 2; n >>>= 1; console.log(n);
//// increments
let i = 1; console.log(i++, i, ++i, i--, --i, -i, +i); const o = { n: 1 }; o.n++; ++o.n; console.log(o.n++ + ++o.n, o); let t = '5'; t++; console.log(t, typeof t);
//// min and max
console.log(Math.min(), Math.max(), Math.min(1, '0', 3), Math.max(1, NaN), Math.max(...[3, 7]), Math.max(null, -1), Math.max([2], 1), Math.min(0, -0));
//// functions of Math
console.log(Math.abs(-5), Math.sqrt(16), Math.cbrt(27), Math.hypot(3, 4), Math.log(1), Math.log2(8), Math.log10(1000), Math.exp(0), Math.pow(2, 3), Math.sqrt(-1));
//// trigonometry
console.log(Math.sin(0), Math.cos(0), Math.atan2(1, 1), Math.PI.toFixed(5), Math.E.toFixed(5), Math.tan(0), Math.asin(2));
//// Math.sign, fround, clz32 and imul
console.log(Math.sign(-3), Math.sign('x'), Math.fround(5.5), Math.fround(5.05), Math.clz32(1), Math.clz32(0), Math.imul(0xffffffff, 5), Math.log1p(0), Math.expm1(0));
//// number separators and literals
console.log(1_000_000, 0b1010, 0o17, 0xFF, 1e3, .5, 5., 0.0000001, 1_0.5_0);
//// comparison with texts
console.log(5 == '5', 5 === '5', '10' > 9, '10' > '9', null >= 0, null > 0, null == 0, undefined == null, undefined == 0, true == 1, '1' == true);
//// sums of decimals
const prices = [0.1, 0.2, 0.3]; const sum = prices.reduce((a, b) => a + b, 0); console.log(sum, Math.round(sum * 100) / 100, +sum.toFixed(2), sum === 0.6);
//// clamping and ranges
const clamp = (x, a, b) => Math.min(Math.max(x, a), b); console.log(clamp(5, 1, 3), clamp(-5, 1, 3), clamp(2, 1, 3), [1, 5, 9].map((x) => clamp(x, 2, 8)));
//// averages and medians
const xs = [3, 1, 4, 1, 5]; const mean = xs.reduce((a, b) => a + b) / xs.length; const sorted = [...xs].sort((a, b) => a - b); console.log(mean, sorted[sorted.length >> 1], Math.sqrt(xs.map((x) => (x - mean) ** 2).reduce((a, b) => a + b) / xs.length));
//// primes
const isPrime = (n) => { for (let i = 2; i * i <= n; i++) if (n % i === 0) return false; return n > 1; }; console.log(Array.from({ length: 30 }, (_, i) => i).filter(isPrime).join(' '));
//// greatest common divisor
const gcd = (a, b) => (b ? gcd(b, a % b) : a); console.log(gcd(48, 18), gcd(7, 13), [12, 18, 24].reduce(gcd), 48 * 18 / gcd(48, 18));
//// factorials
const f = (n) => (n < 2 ? 1 : n * f(n - 1)); console.log(f(10), f(20), f(25), f(170), f(171));
//// digits
console.log([...String(9045)].map(Number), String(123).split('').reduce((a, d) => a + +d, 0), Number([...'123'].reverse().join('')), (1234).toString().length);
//// binary texts
const toBits = (n) => n.toString(2).padStart(8, '0'); console.log(toBits(5), toBits(255), parseInt('00000101', 2), (5).toString(2).split('1').length - 1);
//// precedence
console.log(1 + 2 * 3, (1 + 2) * 3, 2 ** 3 ** 2, -(2 ** 2), 10 - 2 - 3, 2 * 3 % 4, 1 + +'2', 1 - -1, !0 + 1, typeof 1 + 1, 1 < 2 < 3, 3 > 2 > 1);
//// numbers as keys
const o = { 1: 'a', 1.5: 'b', 1e3: 'c', [-1]: 'd' }; console.log(o, o[1], o['1'], o[1.5], o[1000], o['-1'], Object.keys(o));
//// thousands
console.log((1234567.891).toLocaleString(), (999).toLocaleString(), (-1234.5).toLocaleString('en-US'), (0).toLocaleString(), (1e6).toLocaleString());
//// members of a number literal
console.log(5..toString(), (5).toFixed(1), 5.5.toFixed(0), 1.0.toString(), (-5).toString(), 0.1.toFixed(20));
//// temperature conversions
const toF = (c) => c * 9 / 5 + 32; console.log([0, 37, 100, -40].map(toF), Math.round(toF(36.6) * 10) / 10);
//// unary plus and minus
console.log(+true, +'3', -'3', +[], +{}, +null, +undefined, -[], - -1, +'', -true, +new Date(7));
//// inverse and hyperbolic functions
for (const f of [Math.acos, Math.atan, Math.atanh, Math.asinh, Math.sinh, Math.tanh]) console.log(f.name, f(0.5).toFixed(12), f(-0), f(NaN), f.length); console.log(Math.acosh(2).toFixed(12), Math.acosh(1), Math.acosh(0.5), Math.atanh(1), Math.tanh(-Infinity), Math.acos(2), Math.sinh('1').toFixed(12));
