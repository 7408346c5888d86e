/** The door `troupe/http`. */
export { createHandler, type FetchHandler } from './handler.js';
export type { Caller, HandlerOptions } from './options.js';
