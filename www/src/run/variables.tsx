// The variables of the program at the line where it waits.

import type { Execution, Json } from "runstate";

import { formatValue } from "../ui/format";

export function Variables({ execution }: { execution: Execution }) {
  const variables = execution.calls[0]?.variables;
  const entries =
    typeof variables === "object" && variables !== null && !Array.isArray(variables) ? Object.entries(variables) : [];
  return (
    <section class="panel" aria-labelledby="variables-title" data-testid="variables">
      <h3 id="variables-title">Variables</h3>
      {entries.length === 0 ? (
        <p class="empty">
          {execution.calls.length === 0 ? "They are shown while the program waits." : "None are visible at this line."}
        </p>
      ) : (
        <dl class="variables">
          {entries
            .filter(([name]) => name !== CUT_MARKER)
            .map(([name, value]) => (
              <div key={name} data-testid="variable" data-name={name}>
                <dt>{name}</dt>
                <dd>
                  <VariableValue value={value} />
                </dd>
              </div>
            ))}
        </dl>
      )}
      {entries.some(([name]) => name === CUT_MARKER) ? <p class="hint">Not all variables are shown.</p> : null}
    </section>
  );
}

/** The name under which the engine marks that it has omitted variables. */
const CUT_MARKER = "…";

/** The length of the summary of a longer value, which can be opened. */
const SHORT_LENGTH = 44;

function VariableValue({ value }: { value: Json }) {
  const text = typeof value === "string" ? JSON.stringify(value) : formatValue(value);
  if (text.length <= SHORT_LENGTH) return <code>{text}</code>;
  return (
    <details>
      <summary>
        <code>{text.slice(0, SHORT_LENGTH)}…</code>
      </summary>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
