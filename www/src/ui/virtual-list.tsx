// A list that renders only the visible rows, so that ten thousand rows scroll like ten. All rows have the same height. A pinned row stays rendered
// when it is scrolled away, so that it keeps the focus.

import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface VirtualListProps {
  /** The label of the list, for screen readers. */
  label: string;
  count: number;
  /** The height of a row, in pixels. */
  rowHeight: number;
  /** The index of a row that is always rendered; -1 for none. */
  pinned: number;
  /** The index of a row to scroll to when it changes; -1 for none. */
  reveal?: ReadonlySignal<number>;
  /** Whether the view follows the end of the list, unless the visitor has scrolled away from it. */
  followEnd?: boolean;
  testid: string;
  keyOf(index: number): string;
  render(index: number): ComponentChildren;
}

/** The number of rows that are rendered beyond each edge, so that fast scrolling shows no gap. */
const OVERSCAN = 8;

export function VirtualList(props: VirtualListProps) {
  const frame = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const atEnd = useRef(true);

  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useSignalEffect(() => {
    const index = props.reveal?.value ?? -1;
    if (index >= 0 && frame.current !== null) reveal(frame.current, index, props.rowHeight);
  });

  useLayoutEffect(() => {
    const element = frame.current;
    if (props.followEnd === true && atEnd.current && element !== null) element.scrollTop = element.scrollHeight;
  }, [props.count, props.followEnd]);

  const first = Math.max(0, Math.floor(top.value / props.rowHeight) - OVERSCAN);
  const last = Math.min(props.count, Math.ceil((top.value + height.value) / props.rowHeight) + OVERSCAN);
  const drawn = Array.from({ length: Math.max(0, last - first) }, (_, at) => first + at);
  if (props.pinned >= 0 && props.pinned < props.count && (props.pinned < first || props.pinned >= last)) {
    drawn.push(props.pinned);
  }

  function handleScroll(event: Event): void {
    const element = event.currentTarget as HTMLElement;
    top.value = element.scrollTop;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < props.rowHeight;
  }

  return (
    <div
      class="virtual"
      ref={frame}
      onScroll={handleScroll}
      data-testid={props.testid}
      tabIndex={0}
      role="group"
      aria-label={props.label}
    >
      <ul style={{ height: `${props.count * props.rowHeight}px` }} aria-label={props.label}>
        {drawn.map((index) => (
          <li
            key={props.keyOf(index)}
            style={{ transform: `translateY(${index * props.rowHeight}px)`, height: `${props.rowHeight}px` }}
            aria-setsize={props.count}
            aria-posinset={index + 1}
          >
            {props.render(index)}
          </li>
        ))}
      </ul>
    </div>
  );
}

function reveal(element: HTMLElement, index: number, rowHeight: number): void {
  const from = index * rowHeight;
  if (from < element.scrollTop) element.scrollTop = from;
  else if (from + rowHeight > element.scrollTop + element.clientHeight) {
    element.scrollTop = from + rowHeight - element.clientHeight;
  }
}
