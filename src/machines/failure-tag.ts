/**
 * Tags of states that are not as things should be: `failing` where nothing is answered or called, `degraded` where it
 * goes on, but later or with less than was asked for, `cancelled` where somebody stopped it. Tests of failure paths
 * look for them.
 */
export type FailureTag = 'failing' | 'degraded' | 'cancelled';
