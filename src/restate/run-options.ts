import { Budget } from '../core/budget.js';
import { InvalidOptionsError } from '../core/errors.js';
import { withoutUndefined } from '../core/parse.js';
import type { RunConfig } from '../core/config.js';
import { toJson, type JsonObject } from '../core/json.js';

/**
 * A run's options as they travel: what the caller gave, its limits spelled out.
 *
 * @throws {InvalidOptionsError} for what cannot leave the process.
 */
export function travelling(config: RunConfig): JsonObject {
  if (config.isBudgetShared) {
    throw new InvalidOptionsError(
      'Option `options.budget` is a Budget that runs of this process share, and cannot travel to other instances. ' +
        'Give its limits instead: `{ tokens, costUsd, ms }`.',
    );
  }
  for (const [name, value] of Object.entries(config.reliability ?? {})) {
    if (typeof value !== 'function') continue;
    throw new InvalidOptionsError(
      `Option \`options.reliability.${name}\` is a function, and cannot travel to other instances. ` +
        'Set it on the Troupe that `restateEndpoint` serves.',
    );
  }
  return optionsOf(config);
}

/** Parsed options as JSON that parses to the same. */
export function optionsOf(config: RunConfig): JsonObject {
  const {
    isBudgetShared: _,
    budget,
    redact: _redact,
    idempotencyKey: _key,
    traceparent: _parent,
    ...rest
  } = config;
  const limits = budget instanceof Budget ? { budget: { ...budget.limits } } : {};
  return toJson(withoutUndefined({ ...rest, ...limits }), { maxDepth: 100, maxBytes: Infinity })
    .value as JsonObject;
}
