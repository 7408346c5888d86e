import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** Tests that run the package as its users do need it built, once for all of them. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build:js'], { cwd: path.join(import.meta.dirname, '..') });
}
