// What the page shows, in three steps, for somebody who came a moment ago.

const STEPS: [title: string, words: string][] = [
  ["It runs, and stops to ask", "A program calls CC(…) and waits there: for you, a model or a tool."],
  ["Its whole state is kept", "Every variable and every call is committed before you see the question."],
  ["Kill the tab. Go on there", "Nothing that was acknowledged is lost or done twice."],
];

export function ThePromise() {
  return (
    <ol class="promise" aria-label="What this page shows">
      {STEPS.map(([title, words]) => (
        <li key={title}>
          <strong>{title}</strong>
          <span>{words}</span>
        </li>
      ))}
    </ol>
  );
}
