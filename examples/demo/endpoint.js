/** Arguments or settings that cannot be used. */
export class UsageError extends Error {}

/**
 * Where the models are: the endpoint that OPENAI_BASE_URL names, else a stand-in started for this run.
 *
 * @param {NodeJS.ProcessEnv} env
 * @throws {UsageError}
 */
export async function connect(env) {
  const baseUrl = env['OPENAI_BASE_URL']?.trim().replace(/\/+$/, '');
  if (!baseUrl) {
    // A key alone does not do: nobody shall pay for a demo that was not asked to call a real model.
    const { startStandIn, STAND_IN_MODELS } = await import('./stand-in.js');
    const { url, stop } = await startStandIn();
    return { baseUrl: url, apiKey: 'none', models: STAND_IN_MODELS, isStandIn: true, stop };
  }
  const protocol = URL.canParse(baseUrl) ? new URL(baseUrl).protocol : undefined;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new UsageError(`OPENAI_BASE_URL must be an http or https address, got "${baseUrl}"`);
  }
  const [frontier = 'gpt-4o-mini', fallback = frontier] = (env['TROUPE_MODEL'] ?? '').match(/[^\s,]+/g) ?? [];
  return {
    baseUrl,
    apiKey: env['OPENAI_API_KEY']?.trim(),
    models: { frontier, fallback },
    isStandIn: false,
    stop: async () => {},
  };
}
