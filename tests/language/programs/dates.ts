//// parts of a date
const d = new Date('2024-02-29T13:45:06.789Z'); console.log(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCDay(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds());
//// local parts in the zone UTC
const d = new Date(2024, 0, 15, 10, 30); console.log(d.getFullYear(), d.getMonth(), d.getDate(), d.getDay(), d.getHours(), d.getMinutes(), d.getTimezoneOffset(), d.toISOString());
//// texts of a date
const d = new Date(0); console.log(d.toISOString(), d.toJSON(), JSON.stringify({ d }), d.toString(), d.toDateString(), d.toUTCString(), `${d}`);
//// printing dates
console.log(new Date(0), [new Date(1e12)], { at: new Date(5) }, new Date(NaN));
//// parsing
for (const s of ['2024-01-02', '2024-01-02T03:04', '2024-01-02T03:04:05+02:00', '2024-01', '2024', 'Jan 2, 2024', '2024/01/02', 'x', '']) console.log(s, new Date(s).getTime());
//// overflow of parts
console.log(new Date(2024, 0, 32).getDate(), new Date(2024, 12, 1).getFullYear(), new Date(2024, 1, 0).getDate(), new Date(2023, 1, 29).getMonth(), new Date(2024, 0, 1, -1).toISOString());
//// invalid dates
const d = new Date('nope'); console.log(d.getTime(), isNaN(d), d.getFullYear(), String(d), JSON.stringify(d)); try { d.toISOString(); } catch (e) { console.log(e.name, e.message); }
//// arithmetic
const a = new Date('2024-03-10'), b = new Date('2024-03-01'); console.log(a - b, (a - b) / 86400000, +a, a > b, a.getTime() === new Date(a).getTime(), a === new Date(a), a + 1);
//// setters
const d = new Date(0); console.log(d.setUTCDate(31), d.setUTCMonth(1), d.toISOString(), d.setUTCHours(25, 61), d.toISOString(), d.setTime(1000), d.setUTCFullYear(2000, 0, 1));
//// adding days
const add = (d, n) => { const r = new Date(d); r.setUTCDate(r.getUTCDate() + n); return r; }; console.log(add('2024-02-28', 1).toISOString().slice(0, 10), add('2024-12-31', 1).toJSON().slice(0, 10), add('2024-03-01', -1).toJSON().slice(0, 10));
//// leap years
const leap = (y) => new Date(Date.UTC(y, 1, 29)).getUTCMonth() === 1; console.log([1900, 2000, 2023, 2024].map(leap));
//// Date.UTC and Date.parse
console.log(Date.UTC(2024), Date.UTC(2024, 1), Date.UTC(2024, 1, 3, 4, 5, 6, 7), Date.UTC(99, 0), Date.parse('2024-01-01T00:00:00Z'), Date.parse('x'), Date.UTC());
//// sorting dates
console.log(['2024-05-01', '2023-01-01', '2024-01-31'].map((s) => new Date(s)).sort((a, b) => a - b).map((d) => d.toISOString().split('T')[0]));
//// weekdays and months by name
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']; console.log([0, 1, 2, 3].map((i) => days[new Date(Date.UTC(2024, 0, 1 + i)).getUTCDay()]));
//// two-digit formatting
const p = (n) => String(n).padStart(2, '0'); const d = new Date('2024-03-05T07:08:09Z'); console.log(`${d.getUTCFullYear()}-${p(d.getUTCMonth() + 1)}-${p(d.getUTCDate())} ${p(d.getUTCHours())}:${p(d.getUTCMinutes())}`);
//// the start of a day and a month
const d = new Date('2024-03-15T12:00:00Z'); console.log(new Date(d.setUTCHours(0, 0, 0, 0)).toISOString(), new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 0)).getUTCDate());
//// JSON revives a date by hand
const text = JSON.stringify({ at: new Date(86400000) }); const o = JSON.parse(text, (k, v) => (k === 'at' ? new Date(v) : v)); console.log(text, o.at.getTime(), o.at instanceof Date);
//// dates in comparisons
const a = new Date(1), b = new Date(1); console.log(a == b, a <= b, a >= b, +a === +b, a.valueOf() == b, [a].includes(b), a < 2);
//// typeof and conversions
console.log(typeof new Date(0), typeof Date.now(), typeof Date(), Number(new Date(7)), new Date(7) * 2, new Date(2024, 0) instanceof Date, new Date(null).getTime(), new Date(undefined).getTime(), new Date(true).getTime());
//// extreme dates
console.log(new Date(8.64e15).toISOString(), new Date(8.64e15 + 1).getTime(), new Date(-1).toISOString(), new Date('+010000-01-01T00:00:00Z').toISOString(), new Date(-62198755200000).toISOString());
//// age in years
const age = (b, n) => { const x = new Date(b), y = new Date(n); let a = y.getUTCFullYear() - x.getUTCFullYear(); if (y.getUTCMonth() < x.getUTCMonth() || (y.getUTCMonth() === x.getUTCMonth() && y.getUTCDate() < x.getUTCDate())) a--; return a; }; console.log(age('2000-05-20', '2024-05-19'), age('2000-05-20', '2024-05-20'));
//// years of two digits
console.log(new Date(99, 0).getFullYear(), new Date(100, 0).getFullYear(), new Date(0, 0).getFullYear());
//// seconds and milliseconds
const d = new Date(Date.UTC(2024, 1, 29, 23, 59, 58, 7)); console.log(d.getSeconds(), d.getMilliseconds(), d.toTimeString()); for (const f of [() => d.setMilliseconds(1_001), () => d.setSeconds(61, 5), () => d.setUTCMilliseconds(-1), () => d.setUTCSeconds(90), () => d.setUTCMinutes(75, 1, 2), () => d.setSeconds(NaN), () => d.setMilliseconds(1), () => d.getSeconds()]) { const at = f(); console.log(at, Number.isNaN(d.getTime()) || d.toISOString()); }
console.log(new Date(NaN).toTimeString());
