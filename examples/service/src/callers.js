import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (/** @type {string} */ text) => createHash('sha256').update(text).digest();

/**
 * Who calls, by the key that a request bears. Put your own way of knowing callers here.
 *
 * @param {string} keys as `ann:secret1,bob:secret2`
 * @returns {(request: Request) => string | null}
 */
export function callersOf(keys) {
  const callers = keys.split(',').map((entry) => {
    const [id, key] = /** @type {[string, string]} */ (entry.split(':'));
    return { id, digest: digest(key) };
  });
  return (request) => {
    const [, key] = /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '') ?? [];
    if (key === undefined) return null;
    const given = digest(key);
    return callers.find((caller) => timingSafeEqual(caller.digest, given))?.id ?? null;
  };
}
