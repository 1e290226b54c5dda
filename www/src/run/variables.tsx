// What the program's variables hold where it stopped.

import type { ExecutionView as Execution, Json } from "runstate";

import { plain } from "../ui/words";

export function Variables({ execution }: { execution: Execution }) {
  const variables = execution.calls[0]?.variables;
  const named =
    typeof variables === "object" && variables !== null && !Array.isArray(variables) ? Object.entries(variables) : [];
  return (
    <section class="panel" aria-labelledby="variables-title" data-testid="variables">
      <h3 id="variables-title">Variables</h3>
      {named.length === 0 ? (
        <p class="empty">
          {execution.calls.length === 0 ? "They are shown wherever it stops." : "None are visible at this line."}
        </p>
      ) : (
        <dl class="variables">
          {named
            .filter(([name]) => name !== CUT)
            .map(([name, value]) => (
              <div key={name} data-testid="variable" data-name={name}>
                <dt>{name}</dt>
                <dd>
                  <Value value={value} />
                </dd>
              </div>
            ))}
        </dl>
      )}
      {named.some(([name]) => name === CUT) ? <p class="hint">There are more; so many are shown.</p> : null}
    </section>
  );
}

/** Stands where the engine cut what was too much. */
const CUT = "…";

/** Longer values are opened and closed. */
const SHORT = 44;

function Value({ value }: { value: Json }) {
  const text = typeof value === "string" ? JSON.stringify(value) : plain(value);
  if (text.length <= SHORT) return <code>{text}</code>;
  return (
    <details>
      <summary>
        <code>{text.slice(0, SHORT)}…</code>
      </summary>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
