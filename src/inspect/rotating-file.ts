import { closeSync, openSync, renameSync, rmSync, write, writeSync } from 'node:fs';
import { olderFile, olderFiles } from './recording-files.js';

/** Text is written once so much has come together, or in the next turn of the event loop. */
const WRITE_AT = 256 * 1024;

/** With so much unwritten the process waits for the disk: memory must not grow without end. */
const MOST_UNWRITTEN = 16 * 1024 * 1024;

/** A file that is written to off the main thread. */
class OpenFile {
  private inFlight = 0;
  private isWanted = true;

  private constructor(readonly fd: number) {}

  /** @throws what the file system does. */
  static create(file: string): OpenFile {
    return new OpenFile(openSync(file, 'w', 0o600));
  }

  write(bytes: Buffer, at: number, written: (error: Error | null, bytes: number) => void): void {
    this.inFlight += 1;
    write(this.fd, bytes, 0, bytes.length, at, (error, count) => {
      this.inFlight -= 1;
      if (!this.isWanted) this.closeOnceIdle();
      written(error, count);
    });
  }

  /** Not under a write: the number of a closed file is soon another file's, and the write would go there. */
  close(): void {
    this.isWanted = false;
    this.closeOnceIdle();
  }

  private closeOnceIdle(): void {
    if (this.inFlight === 0) closeSync(this.fd);
  }
}

/** Lines into a file, off the main thread; a full one makes room for the next. */
export class RotatingFile {
  private open: OpenFile | undefined;
  private size = 0;
  private pending: string[] = [];
  private pendingSize = 0;
  private timer: NodeJS.Immediate | undefined;
  /** Being written, at this place of the file. */
  private underWay: { readonly bytes: Buffer; readonly at: number } | undefined;

  /**
   * @param standing what every file begins with, so that it can be read without those before it.
   * @throws what the file system does.
   */
  constructor(
    private readonly file: string,
    private readonly maxBytes: number,
    private readonly maxFiles: number,
    private readonly standing: () => readonly string[],
  ) {
    this.open = OpenFile.create(file);
    // Of an earlier recording.
    for (const old of olderFiles(file)) rmSync(old);
  }

  add(line: string): void {
    if (this.open === undefined) return;
    this.pending.push(line);
    this.pendingSize += line.length + 1;
    if (this.pendingSize >= MOST_UNWRITTEN) this.flushSync();
    else if (this.pendingSize >= WRITE_AT) this.flush();
    // Not unref'd: the loop would wait for something else to happen first.
    else this.timer ??= setImmediate(() => this.flush());
  }

  /** Writes all that is known, and waits for it. */
  flushSync(): void {
    this.attempt(() => {
      const { underWay } = this;
      this.underWay = undefined;
      // Whether it has been written nobody knows yet: the same bytes at the same place do no harm.
      if (underWay) this.put(underWay.bytes, underWay.at);
      const bytes = this.take();
      if (bytes) this.put(bytes, this.size - bytes.length);
    });
  }

  close(): void {
    clearImmediate(this.timer);
    this.open?.close();
    this.open = undefined;
    this.pending = [];
  }

  private flush(): void {
    if (this.underWay) return;
    this.attempt(() => {
      const bytes = this.take();
      if (!bytes) return;
      const underWay = { bytes, at: this.size - bytes.length };
      this.underWay = underWay;
      this.open!.write(bytes, underWay.at, (error, written) => {
        if (this.underWay !== underWay || this.open === undefined) return;
        this.underWay = undefined;
        this.attempt(() => {
          if (error) throw error;
          if (written < bytes.length) this.put(bytes.subarray(written), underWay.at + written);
          this.flush();
        });
      });
    });
  }

  /** What is to be written next, its place at the end of the file taken. */
  private take(): Buffer | undefined {
    clearImmediate(this.timer);
    this.timer = undefined;
    if (this.open === undefined || this.pending.length === 0) return undefined;
    const bytes = Buffer.from(`${this.pending.join('\n')}\n`);
    this.pending = [];
    this.pendingSize = 0;
    if (this.size > 0 && this.size + bytes.length > this.maxBytes) this.rotate();
    this.size += bytes.length;
    return bytes;
  }

  private put(bytes: Buffer, at: number): void {
    for (let from = 0; from < bytes.length;) {
      from += writeSync(this.open!.fd, bytes, from, bytes.length - from, at + from);
    }
  }

  private rotate(): void {
    this.open!.close();
    this.open = undefined;
    const full = [this.file, ...olderFiles(this.file)];
    for (const each of full.splice(Math.max(1, this.maxFiles - 1))) rmSync(each);
    if (this.maxFiles === 1) rmSync(this.file);
    else
      for (const [age, each] of [...full.entries()].reverse())
        renameSync(each, olderFile(this.file, age + 1));
    this.open = OpenFile.create(this.file);
    const bytes = Buffer.from(`${this.standing().join('\n')}\n`);
    this.put(bytes, 0);
    this.size = bytes.length;
  }

  /** A disk that fails ends the recording, not the runs. */
  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      console.warn(`[troupe] The recording "${this.file}" ends here: ${(error as Error).message}.`);
      this.close();
    }
  }
}
