// A list that renders only the visible rows, so that ten thousand rows scroll like ten. All rows have the same height. A pinned row stays rendered
// when it is scrolled away, so that it keeps the focus.

import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface VirtualListProps<T extends { id: string }> {
  /** The label of the list, for screen readers. */
  label: string;
  items: T[];
  /** The height of a row, in pixels. */
  rowHeight: number;
  /** The index of a row that is always rendered; -1 for none. */
  pinned?: number;
  /** The index of a row to scroll to when it changes; -1 for none. */
  reveal?: ReadonlySignal<number>;
  /** Whether the view follows the end of the list, unless the visitor has scrolled away from it. */
  followEnd?: boolean;
  testid: string;
  render(item: T, index: number): ComponentChildren;
}

/** The number of rows that are rendered beyond each edge, so that fast scrolling shows no gap. */
const OVERSCAN = 8;

export function VirtualList<T extends { id: string }>(props: VirtualListProps<T>) {
  const { label, items, rowHeight, pinned = -1 } = props;
  const frame = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const follow = useFollowedEnd(frame, props.followEnd === true ? items.length : -1);

  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => (height.value = entry?.contentRect.height ?? 0));
    if (frame.current !== null) observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);

  useSignalEffect(() => {
    const index = props.reveal?.value ?? -1;
    if (index < 0 || frame.current === null) return;
    const { scrollTop, clientHeight } = frame.current;
    const from = index * rowHeight;
    frame.current.scrollTop = Math.min(from, Math.max(scrollTop, from + rowHeight - clientHeight));
  });

  const first = Math.max(0, Math.floor(top.value / rowHeight) - OVERSCAN);
  const last = Math.ceil((top.value + height.value) / rowHeight) + OVERSCAN;
  const shown = items.slice(first, last).map((item, at) => ({ item, index: first + at }));
  const extra = items[pinned];
  if (extra !== undefined && (pinned < first || pinned >= last)) shown.push({ item: extra, index: pinned });
  return (
    <div
      class="virtual"
      ref={frame}
      onScroll={({ currentTarget }) => (follow(), (top.value = currentTarget.scrollTop))}
      data-testid={props.testid}
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      <ul style={{ height: `${items.length * rowHeight}px` }} aria-label={label}>
        {shown.map(({ item, index }) => (
          <li
            key={item.id}
            style={{ transform: `translateY(${index * rowHeight}px)`, height: `${rowHeight}px` }}
            aria-setsize={items.length}
            aria-posinset={index + 1}
          >
            {props.render(item, index)}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Keeps a frame scrolled to its end when `count` changes, unless the visitor has scrolled away. Returns the handler of its scroll event. */
export function useFollowedEnd(frame: { current: HTMLElement | null }, count: number): () => void {
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (count >= 0 && atEnd.current && frame.current !== null) frame.current.scrollTop = frame.current.scrollHeight;
  }, [count]);
  return () => {
    const element = frame.current;
    if (element !== null) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
  };
}
