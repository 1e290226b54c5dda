// A status as a mark (in lists) and as a pill (where there is room). The word is always there for those who see no colours.

import { statusWord } from "./words";

export function StatusMark({ status }: { status: string }) {
  return (
    <span class={`mark ${status}`} title={statusWord(status)}>
      <span class="hidden">{statusWord(status)}:</span>
    </span>
  );
}

export function StatusPill({ status }: { status: string }) {
  return (
    <span class={`pill ${status}`} data-testid="status" data-status={status}>
      {statusWord(status)}
    </span>
  );
}
