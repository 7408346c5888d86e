import { useEffect } from 'preact/hooks';
import { settings, type Store } from './connection.js';
import { clock } from './format.js';

/** Time, in the reader's hand: one step is one record. */
export function Slider({ store }: { readonly store: Store }) {
  const { history } = store;
  const { position, length, isLive, isWhole } = history;
  const isReplay = settings.mode === 'replay';
  useEffect(() => {
    if (isReplay) document.title = `${settings.title ?? 'recording'} · Troupe`;
  }, [isReplay]);
  if (!isReplay && !isWhole) return null;
  const seek = (to: number) => {
    history.seek(to);
    store.changed();
  };
  const goLive = () => {
    history.goLive();
    store.changed();
  };
  const shown = history.current;
  return (
    <span class="slider">
      {isReplay && <strong>{settings.title}</strong>}
      <button
        type="button"
        aria-label="One step back"
        disabled={position <= 1}
        onClick={() => seek(position - 1)}
      >
        ◀
      </button>
      <input
        type="range"
        min={0}
        max={length}
        value={position}
        aria-label="Time"
        aria-valuetext={
          shown ? `${clock(shown.record.at)}, record ${position} of ${length}` : 'the beginning'
        }
        onInput={({ currentTarget }) => seek(Number(currentTarget.value))}
      />
      <button
        type="button"
        aria-label="One step on"
        disabled={position >= length}
        onClick={() => seek(position + 1)}
      >
        ▶
      </button>
      <output>
        {shown ? clock(shown.record.at) : '–'}{' '}
        <small>
          {position} of {length}
        </small>
      </output>
      {!isReplay && (
        <button type="button" aria-pressed={isLive} onClick={() => (isLive ? seek(position) : goLive())}>
          {isLive ? 'Stop time' : 'Go live'}
        </button>
      )}
    </span>
  );
}
