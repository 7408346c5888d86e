import type { InspectionEvent } from 'xstate';
import type { ActorSubject, InspectedTroupe, TroupeInspector, TroupeNews } from './runtime/watch.js';

/** The address of a viewer, as `npx troupe inspect` sets it for the app it runs. */
const VARIABLE = 'TROUPE_INSPECT';

/** The door is loaded only where somebody looks: no bundler is to follow it. */
const DOOR: string = 'troupe/inspect';

/** So many calls are held until the door is loaded. */
const MOST_HELD = 20_000;

/** Passes on to the door `troupe/inspect`, once that is loaded, what was seen from the start. */
class Deferred implements TroupeInspector {
  private held: ((inspector: TroupeInspector) => void)[] = [];
  private inspector: TroupeInspector | undefined;
  private hasFailed = false;

  constructor(url: string) {
    import(DOOR).then(
      ({ viewerInspector }: { viewerInspector(options: { url: string }): TroupeInspector }) => {
        this.inspector = viewerInspector({ url });
        for (const pass of this.held.splice(0)) pass(this.inspector);
      },
      (error: unknown) => {
        this.hasFailed = true;
        this.held = [];
        console.warn(`[troupe] ${VARIABLE} is set, but the viewer could not be joined:`, error);
      },
    );
  }

  next(event: InspectionEvent, subject?: ActorSubject): void {
    if (this.inspector) this.inspector.next(event, subject);
    else this.hold((inspector) => inspector.next(event, subject));
  }

  tell(news: TroupeNews, troupe: InspectedTroupe): void {
    if (this.inspector) this.inspector.tell?.(news, troupe);
    else this.hold((inspector) => inspector.tell?.(news, troupe));
  }

  private hold(pass: (inspector: TroupeInspector) => void): void {
    if (!this.hasFailed && this.held.length < MOST_HELD) this.held.push(pass);
  }
}

let shared: TroupeInspector | undefined;

/** Undefined: the environment names no viewer. One for all Troupes of the process. */
export function environmentInspector(): TroupeInspector | undefined {
  const url = globalThis.process?.env[VARIABLE];
  if (url === undefined || url === '') return undefined;
  return (shared ??= new Deferred(url));
}
