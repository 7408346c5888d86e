import type { Logger } from '../core/ports.js';
import type { Inspector } from './host.js';

/** XState lets an inspector's exception into `send()`: never here. */
export function containInspector(inspect: Inspector, logger: Logger): Inspector {
  const observe = typeof inspect === 'function' ? inspect : (inspect.next?.bind(inspect) ?? (() => {}));
  let hasFailed = false;
  return (event) => {
    try {
      observe(event);
    } catch (error) {
      if (!hasFailed)
        logger.warn('The inspector threw; its errors are ignored from now on.', { error: String(error) });
      hasFailed = true;
    }
  };
}

/** A logger that throws must not harm what it is told of. */
export function containLogger(logger: Logger): Logger {
  const contain =
    (level: keyof Logger): Logger[typeof level] =>
    (message, fields) => {
      try {
        logger[level](message, fields);
      } catch {
        // There is nobody left to tell.
      }
    };
  return { debug: contain('debug'), info: contain('info'), warn: contain('warn'), error: contain('error') };
}

/** A draw that is no number in [0, 1) must not become a delay. */
export function unitInterval(draw: number): number {
  return draw >= 0 && draw < 1 ? draw : Math.random();
}

/** The default: warnings and errors go to the console. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => console.warn(`[troupe] ${message}`, fields ?? ''),
  error: (message, fields) => console.error(`[troupe] ${message}`, fields ?? ''),
};
