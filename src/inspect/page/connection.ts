import { History } from '../model/history.js';
import type { PageMessage, PageMode } from '../page-protocol.js';
import type { InspectRecord } from '../records.js';

export const settings = JSON.parse(document.getElementById('settings')!.textContent!) as PageMode;
export const token = new URLSearchParams(location.search).get('token') ?? '';

/** Tells components to draw again, as often as the screen can show it. */
export class Store {
  readonly history = new History(settings.mode === 'live');
  isConnected = false;
  private readonly listeners = new Set<() => void>();
  private isDue = false;

  constructor() {
    const source = new EventSource(`/stream?token=${encodeURIComponent(token)}`);
    source.addEventListener('open', () => this.setConnected(true));
    source.addEventListener('error', () => this.setConnected(false));
    source.addEventListener('message', ({ data }) => this.take(JSON.parse(String(data)) as PageMessage));
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Something is to be drawn anew. */
  changed(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      for (const listener of this.listeners) listener();
    });
  }

  private setConnected(isConnected: boolean): void {
    this.isConnected = isConnected;
    this.changed();
  }

  private take(message: PageMessage): void {
    const { history } = this;
    if (message.type === 'app') history.begin(message.app);
    else if (message.type === 'forget') history.forget(message.app, message.run);
    else
      history.add(
        message.app,
        message.lines.map((line) => JSON.parse(line) as InspectRecord),
      );
    this.changed();
  }
}
