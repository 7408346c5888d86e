import { InvalidOptionsError } from '../../core/errors.js';

/** Where a viewer is, and the word that lets one in. */
export interface ViewerAddress {
  readonly origin: string;
  readonly token: string;
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** @throws {InvalidOptionsError} for an address that is no viewer's on this machine. */
export function parseAddress(url: unknown): ViewerAddress {
  let parsed: URL;
  try {
    parsed = new URL(String(url));
  } catch {
    throw new InvalidOptionsError(
      `The viewer's \`url\` must be the one that it printed, got ${String(url)}.`,
    );
  }
  const token = parsed.searchParams.get('token') ?? '';
  if (parsed.protocol !== 'http:' || !LOOPBACK.has(parsed.hostname) || token === '') {
    throw new InvalidOptionsError(
      `The viewer's \`url\` must be the one that it printed, as http://127.0.0.1:4000/?token=..., got ${parsed.origin}${parsed.pathname}.`,
    );
  }
  return { origin: parsed.origin, token };
}

export function pageUrl({ origin, token }: ViewerAddress): string {
  return `${origin}/?token=${encodeURIComponent(token)}`;
}
