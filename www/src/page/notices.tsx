// Toasts, and a live region for screen readers.

import { useRef } from "preact/hooks";

import { dismiss, notices, announcement } from "../state/notices";
import { mainElement, useFocusGuard } from "../ui/focus";

export function Notices() {
  const toasts = useRef<HTMLDivElement>(null);
  useFocusGuard(toasts, notices.value, () => ({
    to: toasts.current?.querySelector("button") ?? mainElement(),
    waits: false,
  }));
  return (
    <>
      <div class="toasts" data-testid="notices" ref={toasts}>
        {notices.value.map(({ id, kind, title, text }) => (
          <div
            key={id}
            class={`toast ${kind}`}
            role={kind === "bad" ? "alert" : "status"}
            data-testid="notice"
            data-kind={kind}
          >
            <div class="toast-words">
              <strong data-testid="notice-title">{title}</strong>
              {text === "" ? null : <p data-testid="notice-text">{text}</p>}
            </div>
            <button type="button" class="quiet icon" aria-label="Close" onClick={() => dismiss(id)}>
              ✕
            </button>
          </div>
        ))}
      </div>
      <p class="hidden" aria-live="polite" data-testid="spoken">
        {announcement.value}
      </p>
    </>
  );
}
