/** Copies of the working tree to put patches on. They are removed whatever ends the process. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PatchError } from './patches.mjs';

/** @typedef {import('./trees.d.mts').Tree} Tree */

const IS_NEEDED = /^(src|test|docs\/machines)\/|^[^/]+\.(json|ts)$/;

export class Trees {
  #root;
  #base = mkdtempSync(path.join(tmpdir(), 'troupe-mutants-'));
  #files;
  #children = new Set();
  #made = 0;

  /** @param {string} root the working tree; its sources, tests and settings are copied, changes not committed included */
  constructor(root) {
    this.#root = root;
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
    const removed = new Set(this.#git(['ls-files', '-z', '--deleted']));
    this.#files = this.#git(list).filter((file) => IS_NEEDED.test(file) && !removed.has(file));
  }

  /**
   * Which patch does not apply is said before hours are spent on the others.
   *
   * @param {readonly string[]} patches
   * @throws {PatchError}
   */
  check(patches) {
    for (const patch of patches) gitApply(this.#root, ['--check', patch]);
  }

  /** @returns {Tree} */
  make() {
    const folder = path.join(this.#base, String(++this.#made));
    for (const file of this.#files) {
      const target = path.join(folder, file);
      mkdirSync(path.dirname(target), { recursive: true });
      copyFileSync(path.join(this.#root, file), target);
    }
    symlinkSync(path.join(this.#root, 'node_modules'), path.join(folder, 'node_modules'), 'dir');
    return {
      folder,
      run: (args, limitMs) => this.#run(folder, args, limitMs),
      async patched(patch, look) {
        gitApply(folder, [patch]);
        try {
          return await look();
        } finally {
          gitApply(folder, ['--reverse', patch]);
        }
      },
    };
  }

  /** Ends what runs, and removes everything. */
  close() {
    for (const child of this.#children) end(child);
    rmSync(this.#base, { recursive: true, force: true, maxRetries: 3 });
  }

  #git(args) {
    return execFileSync('git', args, { cwd: this.#root, encoding: 'utf8' }).split('\0').filter(Boolean);
  }

  /** A group of its own, so that the workers it starts end with it. */
  #run(folder, args, limitMs) {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      end(child);
    }, limitMs);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(limit);
        this.#children.delete(child);
        resolve({ code: isLate ? null : (code ?? 1), output });
      });
    });
  }
}

function gitApply(folder, args) {
  try {
    execFileSync('git', ['apply', ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const patch = path.basename(args.at(-1));
    throw new PatchError(`${patch} does not apply any more:\n${error.stderr}`, { cause: error });
  }
}

function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
