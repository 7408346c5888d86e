import { readFileSync } from 'node:fs';
import type { PageMode } from '../page-protocol.js';

let script: string | undefined;

/** The viewer's page as one document that loads nothing else. */
export function pageText(nonce: string, page: PageMode): string {
  script ??= readFileSync(new URL('./viewer-page.js', import.meta.url), 'utf8').replaceAll(
    '</script',
    '<\\/script',
  );
  const settings = JSON.stringify(page).replaceAll('<', '\\u003c');
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">' +
    '<link rel="icon" href="data:,"><title>Troupe</title></head><body>' +
    `<script id="settings" type="application/json">${settings}</script><div id="page"></div>` +
    `<script type="module" nonce="${nonce}">${script}</script></body></html>`
  );
}
