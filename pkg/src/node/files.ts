// The file system of the file store in Node, over node:fs. Every call takes an absolute path and fails with Node's own
// errors, whose `code` the store reads. The trait `Fs` in crates/store-file/src/fs.rs states the contract of each call;
// crates/store-file/src/lib.rs states how the store uses them.
//
// Calls that wait for a disk are asynchronous, because they would block the thread: syncs, and reads and writes of
// more than 64 KiB. All other calls of a commit or a read end in the kernel's memory. They take 5 to 30 µs, while a
// thread switch and back costs 50 to 200 µs. This relies on local disks: the store rejects network file systems. The
// callback functions are used, because the handles of node:fs/promises double the cost of a call.

import * as fs from "node:fs";
import { mkdir, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";

const { closeSync, constants, fstatSync, linkSync, openSync, readSync, readdirSync, statSync, unlinkSync, writeSync } = fs;
const fsync = promisify(fs.fsync);

/** Windows cannot open folders for syncing; the journal of NTFS orders names there. */
const SYNCS_FOLDERS = platform !== "win32";

/** Errors of Windows while a virus scanner or an indexer has a file open. They end within milliseconds. On other
 * systems they are permanent, except the last one, which no call here causes. */
const BUSY_CODES = new Set(["EPERM", "EACCES", "EBUSY"]);
const MAY_BE_BUSY = platform === "win32";

/** How long a call is tried again while a file is busy, and the longest pause in between, in milliseconds. */
const BUSY_MS = 1000;
const LONGEST_PAUSE_MS = 100;

/** What a synchronous read fills: one buffer for all, because JavaScript collects buffers late. */
const PIECE = Buffer.allocUnsafeSlow(262_144);

/** Errors of parent folders that belong to others or to special file systems. The store did not create them, so it
 * need not sync them. */
const UNSYNCABLE_CODES = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/** Whether Deno lacks a permission for a call. Such errors have a name and no code. */
const isDeniedByDeno = (error: unknown): boolean => (error as Error).name === "NotCapable";

/**
 * The file system of the file store. Paths are absolute. Calls fail with errors that have Node's `code`. A call
 * without a promise is done when it returns; the bytes that it gets may be a view that is valid only until then.
 */
export interface NodeFiles {
  /** Creates a folder and its parents. An existing folder is not an error. */
  makeFolder(path: string): Promise<void>;
  /** Creates a file. Fails with `EEXIST` if the name exists. */
  create(path: string): OpenFile;
  /** Syncs the names in a folder; with `andAbove` also those of its parents. */
  syncFolder(path: string, andAbove: boolean): Promise<void>;
  /** Creates a hard link. Fails with `EEXIST` if the name exists, and with `EPERM` or `ENOTSUP` if the file system has
   * no hard links. */
  link(from: string, to: string): void;
  /** Renames a file and replaces an existing one. */
  rename(from: string, to: string): Promise<void>;
  /** The names in a folder. */
  list(path: string): string[];
  remove(path: string): void;
  /** The size of a file in bytes. */
  size(path: string): number;
  /** Opens a file for reads at any offset. It stays readable after its name is removed. */
  open(path: string): OpenFile;
  /** The nearest existing folder at or above `path`, and the text of the kernel's mount table, empty if there
   * is none. */
  mounts(path: string): Promise<{ at: string; table: string }>;
}

export interface OpenFile {
  /** Its size in bytes when it was opened. */
  readonly size: number;
  /** Reads at most `length` bytes from `offset`, which are copied before the next call; none are left at the end of the file. */
  read(offset: number, length: number): Uint8Array;
  /** Reads bytes from `offset` into `into`, on another thread. Resolves to their number, which is 0 at the end of the file. */
  readLong(offset: number, into: Uint8Array): Promise<number>;
  /** Appends bytes. Returns the number that was written. */
  write(bytes: Uint8Array): number;
  /** Like `write`, on another thread. */
  writeLong(bytes: Uint8Array): Promise<number>;
  /** Syncs the file: when the promise resolves, its bytes survive a loss of power. */
  sync(): Promise<void>;
  /** Closes the file when the calls in progress have ended. Never fails: `sync` reports the errors that matter. */
  close(): void;
}

/** The files of this process. */
export const files: NodeFiles = {
  makeFolder(path) {
    return retry(() => makeFolders(path));
  },

  create(path) {
    return new DescriptorFile(retrySync(() => openSync(path, "wx")), 0);
  },

  async syncFolder(path, andAbove) {
    if (!SYNCS_FOLDERS) {
      await stat(path);
      return;
    }
    if (andAbove) {
      await syncParents(await realpath(path));
    }
    await syncDirectory(path);
  },

  link(from, to) {
    retrySync(() => linkSync(from, to));
  },

  rename(from, to) {
    return retry(() => rename(from, to));
  },

  list(path) {
    return retrySync(() => readdirSync(path));
  },

  remove(path) {
    retrySync(() => unlinkSync(path));
  },

  size(path) {
    return retrySync(() => statSync(path).size);
  },

  open(path) {
    const fd = retrySync(() => openSync(path, "r"));
    return new DescriptorFile(fd, fstatSync(fd).size);
  },

  async mounts(path) {
    const at = await nearestExisting(resolve(path));
    const table = platform === "linux" ? await readFile("/proc/self/mountinfo", "utf8").catch(() => "") : "";
    return { at, table };
  },
};

/** An open file descriptor. The kernel reuses the number of a closed descriptor, so closing waits for the calls in
 * progress. */
class DescriptorFile implements OpenFile {
  readonly size: number;
  readonly #fd: number;
  #calls = 0;
  #closing = false;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  read(offset: number, length: number): Uint8Array {
    return PIECE.subarray(0, readSync(this.#fd, PIECE, 0, Math.min(length, PIECE.length), offset));
  }

  readLong(offset: number, into: Uint8Array): Promise<number> {
    return this.#call((done) => fs.read(this.#fd, into, 0, into.length, offset, done));
  }

  write(bytes: Uint8Array): number {
    return writeSync(this.#fd, bytes);
  }

  writeLong(bytes: Uint8Array): Promise<number> {
    return this.#call((done) => fs.write(this.#fd, bytes, done));
  }

  /** Uses fsync, not fdatasync: the new size is metadata that must reach the disk with the bytes. */
  sync(): Promise<void> {
    return this.#call((done) => fs.fsync(this.#fd, done));
  }

  close(): void {
    this.#closing = true;
    if (this.#calls > 0) return;
    try {
      closeSync(this.#fd);
    } catch {
      // The kernel releases the descriptor in any case. Bytes that must survive were synced before, and `sync`
      // reported its errors.
    }
  }

  #call<T = void>(begin: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      begin((error, value) => {
        this.#calls -= 1;
        if (this.#closing) this.close();
        if (error) reject(error);
        else resolve(value as T);
      });
    });
  }
}

/** Repeats a call while a file is busy. */
async function retry<T>(call: () => Promise<T>): Promise<T> {
  for (const pauses = busyPauses(); ; ) {
    try {
      return await call();
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, nextPause(pauses, error)));
    }
  }
}

/** Like {@link retry}. It blocks the thread, as the call itself does. */
function retrySync<T>(call: () => T): T {
  for (const pauses = busyPauses(); ; ) {
    try {
      return call();
    } catch (error) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, nextPause(pauses, error));
    }
  }
}

/** The pauses between the attempts of a call, in milliseconds. */
function* busyPauses(): Generator<number, void> {
  for (let [pause, all] = [1, 0]; all + pause <= BUSY_MS; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    all += pause;
    yield pause;
  }
}

/** The pause before the next attempt. Throws the error if it is another one, or if the attempts are used up. */
function nextPause(pauses: Generator<number, void>, error: unknown): number {
  const isBusy = MAY_BE_BUSY && BUSY_CODES.has((error as NodeJS.ErrnoException).code ?? "");
  const pause = isBusy ? pauses.next().value : undefined;
  if (pause === undefined) throw error;
  return pause;
}

/**
 * Creates a folder and its parents. It does not use `mkdir(path, { recursive: true })`: Node retries forever if the
 * kernel refuses a name in an existing folder (`/proc/x`).
 */
async function makeFolders(path: string): Promise<void> {
  try {
    checkSyncPermission(dirname(path));
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const above = dirname(path);
    if (code === "ENOENT" && above !== path && !(await isFolder(above))) {
      await makeFolders(above);
      // Another process may have created it. If it is not a folder, its first use fails.
      await mkdir(path).catch((mkdirError: NodeJS.ErrnoException) => {
        if (mkdirError.code !== "EEXIST") throw mkdirError;
      });
    } else if (!(await isFolder(path))) {
      throw error;
    }
  }
}

/** Throws if a folder cannot be synced for lack of a permission of Deno, which may nevertheless allow creating names
 * in it. Other errors are those of its first use. */
function checkSyncPermission(path: string): void {
  if (!SYNCS_FOLDERS) return;
  try {
    closeSync(openSync(path, constants.O_RDONLY));
  } catch (error) {
    if (isDeniedByDeno(error)) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((stats) => stats.isDirectory(), () => false);
}

async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Syncs all parents: another process may have created them a moment ago and not synced them yet. */
async function syncParents(path: string): Promise<void> {
  for (let at = path; dirname(at) !== at; ) {
    at = dirname(at);
    try {
      await syncDirectory(at);
    } catch (error) {
      if (!isDeniedByDeno(error) && !UNSYNCABLE_CODES.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}

/** The nearest existing folder at or above `path`, with symbolic links resolved. */
async function nearestExisting(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : nearestExisting(above);
  }
}
