import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface RowsProps<Row> {
  readonly rows: readonly Row[];
  readonly height: number;
  readonly label: string;
  readonly keyOf: (row: Row) => string;
  readonly selected: string | undefined;
  readonly onSelect: (row: Row) => void;
  /** Keep the last row in view as rows are added. */
  readonly follows?: boolean;
  readonly children: (row: Row) => ComponentChildren;
}

const MORE = 8;

/** A list of any length: only the rows in view are drawn. Arrows, Page, Home and End move the choice. */
export function Rows<Row>({
  rows,
  height,
  label,
  keyOf,
  selected,
  onSelect,
  follows,
  children,
}: RowsProps<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [view, setView] = useState(400);
  const sticks = useRef(true);
  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setView(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (follows && sticks.current) box.current!.scrollTop = rows.length * height;
  }, [rows.length, follows, height]);

  const first = Math.max(0, Math.floor(top / height) - MORE);
  const last = Math.min(rows.length, Math.ceil((top + view) / height) + MORE);
  const chosen = selected === undefined ? -1 : rows.findIndex((row) => keyOf(row) === selected);

  const move = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view / height) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -rows.length,
      End: rows.length,
    };
    const step = steps[event.key];
    if (step === undefined || rows.length === 0) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(rows.length - 1, chosen === -1 && step > 0 ? 0 : chosen + step));
    onSelect(rows[to]!);
    const element = box.current!;
    if (to * height < element.scrollTop) element.scrollTop = to * height;
    else if ((to + 1) * height > element.scrollTop + view) element.scrollTop = (to + 1) * height - view;
  };

  return (
    <div
      ref={box}
      class="rows"
      tabIndex={0}
      role="listbox"
      aria-label={label}
      aria-activedescendant={chosen === -1 ? undefined : `${label}-${chosen}`}
      onKeyDown={move}
      onScroll={({ currentTarget }) => {
        setTop(currentTarget.scrollTop);
        sticks.current = currentTarget.scrollTop + view >= rows.length * height - 2 * height;
      }}
    >
      <div style={{ height: `${rows.length * height}px`, position: 'relative' }}>
        {rows.slice(first, last).map((row, index) => (
          <div
            key={keyOf(row)}
            id={`${label}-${first + index}`}
            role="option"
            aria-selected={first + index === chosen}
            class="row"
            style={{ top: `${(first + index) * height}px`, height: `${height}px` }}
            onClick={() => onSelect(row)}
          >
            {children(row)}
          </div>
        ))}
      </div>
    </div>
  );
}
