import type { Logger } from '../core/ports.js';

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
