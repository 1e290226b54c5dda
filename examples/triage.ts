// Triage of a hundred tickets. It asks about twenty at once, which people or workers may answer in any order. Tickets
// with the answer "unsure" are asked again, and the last time without that choice.
//
//   runstate run examples/triage.ts --answers examples/triage.answers.json
//   runstate run examples/triage.ts --answer-with 'your-model --print'
//   runstate start triage
//   runstate work --kind cc --exec 'your-model --print' --concurrency 8    # eight tickets at a time
//
// Kill it at any moment: no answered question is asked again.

interface Ticket {
  id: number;
  title: string;
}

const KINDS = ["bug", "feature", "question", "unsure"];
const AT_ONCE = 20;
const ATTEMPTS = 3;

const subjects = ["Export", "Login", "Search", "The editor", "Billing"];
const complaints = [
  "crashes when the file is empty",
  "should remember the last folder",
  "is slow on Mondays",
  "does nothing, is that right?",
];

/** Returns a hundred tickets, or those of `--input '{"tickets": [{"id": 1, "title": "…"}]}'`. */
function tickets(): Ticket[] {
  if (input && input.tickets) return input.tickets;
  const generated: Ticket[] = [];
  for (let i = 0; i < 100; i++) {
    const subject = subjects[i % subjects.length];
    const complaint = complaints[Math.floor(i / subjects.length) % complaints.length];
    generated.push({ id: i + 1, title: `${subject} ${complaint}` });
  }
  return generated;
}

function question(ticket: Ticket, attempt: number) {
  const reminder = attempt > 1 ? ` (asked for the ${attempt === 2 ? "second" : "third"} time: please decide)` : "";
  return {
    prompt: `#${ticket.id} "${ticket.title}": what is it?${reminder}`,
    // The last attempt does not offer "unsure".
    choices: attempt < ATTEMPTS ? KINDS : KINDS.slice(0, 3),
    key: `ticket-${ticket.id}-${attempt}`,
  };
}

function main() {
  const sorted: Record<string, number[]> = { bug: [], feature: [], question: [] };
  let open = tickets();
  console.log(`${open.length} tickets`);
  let asked = 0;
  for (let attempt = 1; attempt <= ATTEMPTS && open.length > 0; attempt++) {
    const unsure: Ticket[] = [];
    for (let from = 0; from < open.length; from += AT_ONCE) {
      const batch = open.slice(from, from + AT_ONCE);
      const kinds = CC.all(batch.map((ticket) => question(ticket, attempt)));
      asked += batch.length;
      batch.forEach((ticket, i) => {
        if (kinds[i] === "unsure") unsure.push(ticket);
        else sorted[kinds[i]].push(ticket.id);
      });
      console.log(`${Math.min(from + AT_ONCE, open.length)} of ${open.length} looked at`);
    }
    if (unsure.length > 0) console.log(`${unsure.length} to be asked again: ${unsure.map((ticket) => "#" + ticket.id).join(" ")}`);
    open = unsure;
  }
  console.log("");
  for (const kind of Object.keys(sorted)) console.log(`${kind}: ${sorted[kind].length}`);
  return { asked, counts: Object.keys(sorted).map((kind) => [kind, sorted[kind].length]) };
}
