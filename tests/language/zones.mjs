// Writes the table of time zones that the compiler has: `node zones.mjs FOLDER > zones.txt`, where FOLDER is the output
// of `zic -b slim`. A row is `alias=name` or `name|unit|offsets|changes|rule|since|short|long`: the unit of the changes
// in seconds; the offsets from UTC in seconds; the changes since 1970, each the time since the one before it in base 36
// and the letter of its offset; the rule that follows them: the offsets of standard and of daylight time, then month,
// week, weekday and second of the day on which each begins; the second since which the names of the zone are those of
// its offsets, and these names, of which an empty one is the offset.
import { existsSync, readFileSync } from 'node:fs';

const END = Date.UTC(2038, 0, 1) / 1000;

function readZone(file) {
  const data = readFileSync(file);
  const header = (at) => Array.from({ length: 6 }, (_, index) => data.readUInt32BE(at + 20 + 4 * index));
  const [isut, isstd, leaps, times, types, letters] = header(0);
  let at = 44 + times * 5 + types * 6 + letters + leaps * 8 + isstd + isut;
  const [isut2, isstd2, leaps2, count, typeCount, letters2] = header(at);
  at += 44;
  const typesAt = at + count * 9;
  const offsets = Array.from({ length: typeCount }, (_, index) => data.readInt32BE(typesAt + 6 * index));
  const changes = Array.from({ length: count }, (_, index) => [Number(data.readBigInt64BE(at + 8 * index)), offsets[data[at + 8 * count + index]]]);
  const footer = data.subarray(typesAt + typeCount * 6 + letters2 + leaps2 * 12 + isstd2 + isut2).toString().trim();
  const before = changes.filter(([time]) => time <= 0).at(-1)?.[1] ?? offsets[0];
  const after = [[0, before]];
  for (const change of changes) if (change[0] > 0 && change[1] !== after.at(-1)[1]) after.push(change);
  // The rule begins after the last change, also if that has the offset of the one before it. Then a month later, when
  // the rule has the same offset.
  const last = changes.at(-1);
  if (last && last[0] > after.at(-1)[0]) after.push([last[0] + 30 * 86400, last[1]]);
  return { changes: after, footer };
}

function readRule(footer) {
  const match = /^(?:<[^>]*>|[A-Z]+)([-+\d:]+)(?:<[^>]*>|[A-Z]+)([-+\d:]*),(.*),(.*)$/i.exec(footer);
  if (!match) return [];
  const seconds = (text) => { const [h, m = 0, s = 0] = text.replace(/^[-+]/, '').split(':').map(Number); return (text[0] === '-' ? -1 : 1) * (h * 3600 + m * 60 + s); };
  const standard = -seconds(match[1]);
  const daylight = match[2] ? -seconds(match[2]) : standard + 3600;
  const day = (text) => { const [, m, w, d, time = '2'] = /^M(\d+)\.(\d)\.(\d)(?:\/(.*))?$/.exec(text); return [m, w, d, seconds(time)]; };
  return [standard, daylight, ...day(match[3]), ...day(match[4])];
}

const nameAt = (zone, form) => { const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: form }); return (time) => format.formatToParts(time * 1000).find((part) => part.type === 'timeZoneName').value; };

const folder = process.argv[2];
const names = readFileSync(`${folder}/../names`, 'utf8').trim().split('\n').filter((name) => existsSync(`${folder}/${name}`));
const rows = [];
const done = new Set();
for (const name of [...Intl.supportedValuesOf('timeZone'), ...names]) {
  if (done.has(name)) continue;
  done.add(name);
  let canonical;
  try { canonical = new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone; } catch { continue; }
  if (canonical === 'UTC') continue;
  if (canonical !== name) { rows.push(`${name}=${canonical}`); continue; }
  if (!existsSync(`${folder}/${name}`)) { console.error('missing', name); continue; }
  const { changes, footer } = readZone(`${folder}/${name}`);
  const rule = readRule(footer);
  const kept = changes.filter(([time]) => time < END);
  // The offset in Node at a time. Another release of tzdata may have other changes: those before the last difference are
  // left out.
  const probe = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  const offsetAt = (time) => {
    const [, sign, h, m, s = 0] = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(probe.formatToParts(time * 1000).find((part) => part.type === 'timeZoneName').value);
    return (sign === '-' ? -1 : 1) * (h * 3600 + m * 60 + Number(s));
  };
  let wrong = -1;
  for (const [index, [time, offset]] of kept.entries()) {
    const last = index === kept.length - 1;
    const next = last ? (rule.length > 0 ? time + 1 : END) : kept[index + 1][0];
    for (let at = time; at < next; at += 86400 * 15) if (offsetAt(at) !== offset) wrong = index;
    if (offsetAt(next - 1) !== offset) wrong = index;
  }
  kept.splice(0, wrong + 1);
  if (kept.length === 0) { console.error('left out', name); continue; }
  if (wrong >= 0) console.error(name, 'since', new Date(kept[0][0] * 1000).toISOString());
  const offsets = [...new Set([...kept.map((change) => change[1]), ...rule.slice(0, 2)])];
  const unit = [900, 60, 1].find((unit) => kept.every(([time]) => time % unit === 0));
  let [text, last] = ['', 0];
  for (const [time, offset] of kept) {
    text += (time > 0 ? ((time - last) / unit).toString(36) : '') + String.fromCharCode(65 + offsets.indexOf(offset));
    last = time;
  }
  // The names: from the end backwards, as long as each offset has one pair.
  const samples = [];
  const add = (time, offset) => samples.push([time, offset]);
  for (const [index, [time, offset]] of kept.entries()) {
    const next = kept[index + 1]?.[0] ?? END;
    for (let at = time; at < next && (at < (kept.at(-1)[0]) || rule.length === 0); at += 86400 * 30) add(at, offset);
    if (index < kept.length - 1 || rule.length === 0) add(next - 1, offset);
  }
  for (let time = kept.at(-1)[0]; time < END; time += 86400 * 20) add(time, offsetAt(time));
  samples.sort((a, b) => a[0] - b[0]);
  const [short, long] = [nameAt(name, 'short'), nameAt(name, 'long')];
  const found = new Map();
  let since = 0;
  for (const [time, offset] of samples.toReversed()) {
    const pair = [short(time), long(time)].map((one) => (/^GMT[+-]/.test(one) ? '' : one)).join('|');
    if (found.has(offset) && found.get(offset) !== pair) { since = time + 1; break; }
    found.set(offset, pair);
  }
  // The first sample of the same names may be later than the change itself.
  if (since > 0) since = kept.find(([time]) => time >= since)?.[0] ?? samples.find(([time]) => time >= since)[0];
  for (let time = Math.max(since, kept[0][0]); time < END; time += 86400 * 4) {
    const pair = [short(time), long(time)].map((one) => (/^GMT[+-]/.test(one) ? '' : one)).join('|');
    if (found.get(offsetAt(time)) !== pair) since = time + 86400 * 4;
  }
  const pairs = offsets.map((offset) => (found.get(offset) ?? '|').split('|'));
  const short2 = pairs.map((pair) => pair[0]).join(','), long2 = pairs.map((pair) => pair[1]).join(',');
  rows.push([name, unit, offsets.join(','), text, kept.length < changes.length ? '-' : rule.join(','), since, short2.replaceAll(',', '') && short2, long2.replaceAll(',', '') && long2].join('|'));
}
console.log(rows.join('\n'));
