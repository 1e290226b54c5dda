const thousands = (n: number, sep = ",") => n.toString().replace(/\B(?=(\d{3})+(?!\d))/g, sep);
const percent = (part: number, whole: number) => `${((part / whole) * 100).toFixed(1)}%`;
function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const i = n === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  return `${+(n / 1024 ** i).toFixed(2)} ${units[i]}`;
}
function duration(ms: number): string {
  const parts: string[] = [];
  for (const [unit, size] of [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const) {
    if (ms >= size) { parts.push(`${Math.floor(ms / size)}${unit}`); ms %= size; }
  }
  return parts.join(" ") || `${ms}ms`;
}
function roman(n: number): string {
  const table: Record<string, number> = { M: 1000, CM: 900, D: 500, CD: 400, C: 100, XC: 90, L: 50, XL: 40, X: 10, IX: 9, V: 5, IV: 4, I: 1 };
  let out = "";
  for (const symbol in table) while (n >= table[symbol]) { out += symbol; n -= table[symbol]; }
  return out;
}
console.log(thousands(1234567), thousands(999), percent(1, 3), [0, 1023, 1536, 5e9].map(bytes));
console.log([500, 61_000, 90_061_000].map(duration), [4, 1994, 2024].map(roman));
console.log((255).toString(16), (0.1 + 0.2).toFixed(10), (1e21).toString(), (123.456).toPrecision(4), (0.00001).toString(), (12345.678).toExponential(2));
console.log(Number("0x1f"), parseInt("12px"), +"", Number(" 7 "), Number("1_000"), (-7) % 3, 7 / 0, -0, Math.round(-2.5), 2 ** -2);
console.log(Number.MAX_SAFE_INTEGER, Number.EPSILON > 0, 0.1 * 3, 1 / 3, 1e-7, 123456789012345680000, ~~-5.7, 5 >>> 1, -5 >>> 28);
console.log((1234567.891).toLocaleString(), (1234.5).toLocaleString("en-US"));
console.log(new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(1234.5));
