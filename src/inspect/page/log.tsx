import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Model } from '../model/model.js';
import type { ActorView, LogLine, RunView } from '../model/views.js';
import { clock, json } from './format.js';
import { Rows } from './rows.jsx';

interface LogProps {
  readonly model: Model;
  readonly run: RunView | undefined;
  readonly actor: ActorView | undefined;
  readonly isFollowing: boolean;
}

const KINDS: readonly { readonly kind: LogLine['kind']; readonly name: string }[] = [
  { kind: 'event', name: 'events' },
  { kind: 'microstep', name: 'microsteps' },
  { kind: 'action', name: 'actions' },
  { kind: 'said', name: 'emitted' },
  { kind: 'news', name: 'runs' },
];

/** All that happened, searchable; of the run or actor that was chosen, or of everything. */
export function Log({ model, run, actor, isFollowing }: LogProps) {
  const [search, setSearch] = useState('');
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [isAll, setIsAll] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  const executed = run?.joined ?? run?.key;
  const lines = useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return model.log.filter((line) => {
      if (hidden.has(line.kind)) return false;
      if (!isAll && run && line.run !== run.key && line.run !== executed) return false;
      if (!isAll && actor && line.actor !== actor.key) return false;
      if (words.length === 0) return true;
      const text = `${line.who} ${line.what} ${line.run ?? ''}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }, [model, model.version, search, hidden, isAll, run?.key, actor?.key]);
  const keyOf = (line: LogLine) => keys.of(line);
  const line = chosen === undefined ? undefined : lines.find((each) => keyOf(each) === chosen);
  const toggle = (kind: string) =>
    setHidden((before) => {
      const after = new Set(before);
      if (!after.delete(kind)) after.add(kind);
      return after;
    });

  return (
    <section class="log" aria-label="Log">
      <div class="bar">
        <h2>
          Log <small>{lines.length.toLocaleString('en')} lines</small>
        </h2>
        <input
          ref={input}
          type="search"
          aria-label="Search the log"
          placeholder="search: words, all of them"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        {KINDS.map(({ kind, name }) => (
          <label key={kind}>
            <input type="checkbox" checked={!hidden.has(kind)} onChange={() => toggle(kind)} /> {name}
          </label>
        ))}
        {(run ?? actor) && (
          <label>
            <input type="checkbox" checked={isAll} onChange={() => setIsAll(!isAll)} /> of everything
          </label>
        )}
      </div>
      <div class="lines">
        <Rows
          rows={lines}
          height={22}
          label="log"
          keyOf={keyOf}
          selected={chosen}
          onSelect={(each) => setChosen(keyOf(each))}
          follows={isFollowing}
        >
          {({ at, kind, who, what }) => (
            <span class={`line ${kind}`}>
              <time>{clock(at)}</time> <b>{who}</b> {what}
            </span>
          )}
        </Rows>
        {line && (
          <pre class="detail" aria-label="Details">
            {json(line.detail)}
          </pre>
        )}
      </div>
    </section>
  );
}

/** A key for each line, made when it is first drawn. */
const keys = {
  known: new WeakMap<LogLine, string>(),
  count: 0,
  of(line: LogLine): string {
    let key = this.known.get(line);
    if (key === undefined) this.known.set(line, (key = `${++this.count}`));
    return key;
  },
};
