import { it } from 'vitest';
import { storeContract } from '../../src/testing/index.js';
import { sqliteStore } from '../../src/stores/sqlite/index.js';
storeContract(({ ttlMs }) => sqliteStore(':memory:', { ttlMs }), it);
