// Toasts for the eye and a live region for the ear.

import { dismiss, notices, spoken } from "../state/notices";

export function Notices() {
  return (
    <>
      <div class="toasts" data-testid="notices">
        {notices.value.map(({ id, kind, title, text }) => (
          <div
            key={id}
            class={`toast ${kind}`}
            role={kind === "bad" ? "alert" : "status"}
            data-testid="notice"
            data-kind={kind}
          >
            <p>
              <strong>{title}</strong> {text}
            </p>
            <button type="button" class="quiet" aria-label="Close" onClick={() => dismiss(id)}>
              ✕
            </button>
          </div>
        ))}
      </div>
      <p class="hidden" aria-live="polite" data-testid="spoken">
        {spoken.value}
      </p>
    </>
  );
}
