/** The error of an HTTP client for a status. */
export function httpError(status: number, fields: Record<string, unknown> = {}): Error {
  return Object.assign(new Error(`HTTP ${status}`), { status, ...fields });
}

/** What `fetch` throws when a connection fails. */
export function connectionError(code: string): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(`read ${code}`), { code }) });
}

/** A content that is no JSON. */
export const NOT_JSON: ReadonlyMap<string, string> = new Map([['answer', 'a Map is no JSON']]);
