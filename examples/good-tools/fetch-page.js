// Reads JSON over node:http, without an SDK: the signal, the status, and the shape are all checked.
import { get } from 'node:https';
import { defineTool, toolResult } from 'troupe';
import * as z from 'zod';

export default defineTool({
  name: 'fetch_page',
  output: z.object({ ok: z.literal(true) }).loose(),
  estimate: () => ({ tokens: 0, costUsd: 0 }),
  execute: ({ id = '1' }, _options, { signal }) =>
    new Promise((resolve, reject) => {
      const request = get(`https://pages.example/items/${encodeURIComponent(id)}`, { signal }, (response) => {
        const { statusCode: status, headers } = response;
        let text = '';
        response.setEncoding('utf8').on('data', (piece) => (text += piece));
        // A response that is cut off has an error, and no end.
        response.on('error', reject).on('end', () => {
          if (status !== 200) return reject(Object.assign(new Error(`HTTP ${status}`), { status, headers }));
          try {
            resolve(toolResult({ content: JSON.parse(text), usage: { totalTokens: 0, costUsd: 0 } }));
          } catch (cause) {
            reject(new Error('The page is no JSON.', { cause }));
          }
        });
      });
      request.on('error', reject);
    }),
});
