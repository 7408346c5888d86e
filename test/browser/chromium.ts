import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const PATH = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Debian's; CI installs it. */
export const hasChromium = existsSync(PATH);

if (!hasChromium) {
  if (process.env.CI) throw new Error(`There is no Chromium at ${PATH}: apt-get install chromium.`);
  console.warn(
    `Skipped: there is no Chromium at ${PATH}. Set CHROMIUM to its path, or apt-get install chromium.`,
  );
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: PATH,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}
