/** The door `troupe/restate`. */
export { restateEndpoint, type RestateEndpoint, type RestateEndpointOptions } from './endpoint.js';
export { restateClient, type RestateClientOptions, type RestateOrchestrator } from './client.js';
export type { RestateRun } from './client-participant.js';
