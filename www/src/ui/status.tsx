// A status as a mark (in lists) or as a pill. Both contain the label, for users who cannot see the colors.

import { statusLabel } from "./format";

export function StatusMark({ status }: { status: string }) {
  return (
    <span class={`mark ${status}`} title={statusLabel(status)}>
      <span class="hidden">{statusLabel(status)}:</span>
    </span>
  );
}

export function StatusPill({ status }: { status: string }) {
  return (
    <span class={`pill ${status}`} data-testid="status" data-status={status}>
      {statusLabel(status)}
    </span>
  );
}
