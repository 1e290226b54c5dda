const DAY = 24 * 60 * 60 * 1000;

function addMonths(date: Date, months: number): Date {
  const result = new Date(date);
  const day = result.getUTCDate();
  result.setUTCMonth(result.getUTCMonth() + months, 1);
  const last = new Date(Date.UTC(result.getUTCFullYear(), result.getUTCMonth() + 1, 0)).getUTCDate();
  result.setUTCDate(Math.min(day, last));
  return result;
}

function isoWeek(date: Date): string {
  const d = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  d.setUTCDate(d.getUTCDate() + 4 - (d.getUTCDay() || 7));
  const yearStart = Date.UTC(d.getUTCFullYear(), 0, 1);
  const week = Math.ceil(((d.getTime() - yearStart) / DAY + 1) / 7);
  return `${d.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}

function relative(from: Date, to: Date): string {
  const seconds = Math.round((to.getTime() - from.getTime()) / 1000);
  const units: [string, number][] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  for (const [unit, size] of units) {
    const n = Math.trunc(Math.abs(seconds) / size);
    if (n >= 1) return seconds < 0 ? `${n} ${unit}${n > 1 ? "s" : ""} ago` : `in ${n} ${unit}${n > 1 ? "s" : ""}`;
  }
  return "now";
}

const start = new Date("2024-01-31T10:30:00Z");
console.log(start.toISOString(), start.toJSON(), start.getTime());
for (const months of [1, 2, 13, -2]) console.log(months, addMonths(start, months).toISOString().slice(0, 10));
console.log(["2021-01-03", "2024-12-30", "2026-06-15"].map((s) => isoWeek(new Date(s))));
console.log(relative(start, new Date(+start + 3 * DAY)), relative(start, new Date(+start - 90_000)), relative(start, start));
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
console.log(days[start.getUTCDay()], new Date("nonsense").getTime(), isNaN(+new Date("x")));
console.log(start, { start }, [new Date(0)]);
const deadlines = ["2024-03-01", "2023-12-24", "2024-02-29"].map((s) => new Date(s)).sort((a, b) => a.getTime() - b.getTime());
console.log(deadlines.map((d) => d.toISOString().split("T")[0]).join(" < "));
console.log(new Date("2024-05-06").toLocaleDateString("en-US", { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" }));
