import type { Command } from './main.js';

export const command: Command = async () => 2;
