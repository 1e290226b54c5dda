// A button for each choice. The number keys press the buttons of the first open question with choices.

import type { Json } from "runstate";

import { formatValue } from "../ui/format";
import type { AnswerProps } from "./card";

export function ChoiceButtons({ choices, first, busy, wrong, onAnswer }: AnswerProps & { choices: Json[] }) {
  return (
    <div class="choices" role="group" aria-label="Answers" aria-describedby={wrong === "" ? undefined : wrong}>
      {choices.map((choice, index) => (
        <button
          key={index}
          type="button"
          class="choice"
          aria-disabled={busy}
          data-testid="choice"
          data-number={first && index < 9 ? String(index + 1) : undefined}
          onClick={() => onAnswer(choice)}
        >
          {formatValue(choice) === "" ? "(empty)" : formatValue(choice)}
          {first && index < 9 ? (
            <kbd aria-hidden="true" class="key">
              {index + 1}
            </kbd>
          ) : null}
        </button>
      ))}
    </div>
  );
}
