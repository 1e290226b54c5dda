const LOG = `2024-03-01T10:00:00Z INFO  [auth] user=ada action=login ms=12
2024-03-01T10:00:05Z WARN  [db] slow query: select * from users where id = 7 (532ms)
not a log line
2024-03-01T10:00:09Z ERROR [auth] user=bob action=login error="bad password" ms=40`;

interface Entry { time: Date; level: string; scope: string; message: string; fields: Record<string, string> }

const LINE = /^(?<time>\d{4}-\d\d-\d\dT[\d:]+Z)\s+(?<level>INFO|WARN|ERROR)\s+\[(?<scope>\w+)\]\s+(?<message>.*)$/;
const FIELD = /(?<key>\w+)=(?:"(?<quoted>[^"]*)"|(?<plain>\S+))/g;

function parse(line: string): Entry | null {
  const match = line.match(LINE);
  if (!match?.groups) return null;
  const { time, level, scope, message } = match.groups;
  const fields: Record<string, string> = {};
  for (const { groups } of message.matchAll(FIELD)) fields[groups!.key] = groups!.quoted ?? groups!.plain;
  return { time: new Date(time), level, scope, message, fields };
}

const entries = LOG.split("\n").map(parse);
console.log(entries.filter((e) => e !== null).length, entries.indexOf(null));
for (const entry of entries) {
  if (!entry) continue;
  const { level, scope, fields } = entry;
  console.log(level.padEnd(5), scope, fields, entry.time.toISOString());
}
const slow = [...LOG.matchAll(/\b(\d+)ms\b|ms=(\d+)/g)].map((m) => Number(m[1] ?? m[2]));
console.log(slow, Math.max(...slow));
console.log(LOG.replace(/user=(?<name>\w+)/g, "user=<$<name>>").split("\n")[0]);
console.log("2024-03-01".replace(/(\d+)-(\d+)-(\d+)/, "$3.$2.$1"), /(?<=\$)\d+/.exec("costs $42")?.[0], "a1b22".split(/\d+/));
const sticky = /\w+\s*/y;
sticky.lastIndex = 4;
console.log(sticky.exec("one two three")?.[0], sticky.lastIndex, /\p{Lu}/u.test("É"), "x".match(/y/g));
