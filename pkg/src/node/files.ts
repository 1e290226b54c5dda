// What the file store asks of Node, over node:fs. Every call takes whole paths and fails with Node's own errors, whose `code` the store
// reads. What must hold on return is said at the trait `Fs` in src/store/file/fs.rs, the rules that make these calls a store in mod.rs there.
//
// What waits for a disk is never called synchronously: others live on this thread, too. Those are syncs, and reads and writes of more than
// 64 KiB, which give promises. All else that a commit or a read calls ends in the kernel's memory, in 5 to 30 µs, where a trip to another
// thread and back costs 50 to 200: the store refuses network file systems. The calls with callbacks are used, because the handles of
// node:fs/promises double the cost of a call.

import * as fs from "node:fs";
import { mkdir, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";

const { closeSync, constants, fstatSync, linkSync, openSync, readSync, readdirSync, statSync, unlinkSync, writeSync } = fs;
const fsync = promisify(fs.fsync);

/** Folders cannot be opened for syncing on Windows; the journal of NTFS orders names there. */
const SYNCS_FOLDERS = platform !== "win32";

/** Folders above the store that are not ours, and folders of special file systems: others made them, long before. */
const NOT_OURS = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/**
 * What the file store asks of its host. Paths are whole ones; a call that fails does so with an error that has Node's `code`. What gives no
 * promise is done when it returns; the bytes it is given may be a view that is valid only until then.
 */
export interface NodeFiles {
  /** Makes a folder and all above it; fine where it exists. */
  makeFolder(path: string): Promise<void>;
  /** Begins a new file. `EEXIST` where the name is taken. */
  create(path: string): OpenFile;
  /** Syncs the names in a folder; with `andAbove` also the way to it. */
  syncFolder(path: string, andAbove: boolean): Promise<void>;
  /** Gives a file a second name. `EEXIST` where that is taken, `EPERM` or `ENOTSUP` where there are no hard links. */
  link(from: string, to: string): void;
  /** Renames, replacing what is there. */
  rename(from: string, to: string): Promise<void>;
  /** The names in a folder. */
  list(path: string): string[];
  /** Removes a file. */
  remove(path: string): void;
  /** How many bytes a file has. */
  size(path: string): number;
  /** Opens a file to be read here and there; it can be read on when its name is removed. */
  open(path: string): OpenFile;
  /** The nearest folder that exists at or above `path`, and the text of the kernel's table of mounts, empty where there is none. */
  mounts(path: string): Promise<{ at: string; table: string }>;
}

/** An open file. */
export interface OpenFile {
  /** How many bytes it had when it was opened. */
  readonly size: number;
  /** Fills `into` with the bytes from `offset` on; how many there were: 0 where the file ends. */
  read(offset: number, into: Uint8Array): number;
  /** As `read`, on another thread. */
  readLong(offset: number, into: Uint8Array): Promise<number>;
  /** Adds bytes at the end; how many of them. */
  write(bytes: Uint8Array): number;
  /** As `write`, on another thread. */
  writeLong(bytes: Uint8Array): Promise<number>;
  /** Its bytes survive the loss of power afterwards. */
  sync(): Promise<void>;
  /** Closes it when the calls in progress have ended. Never fails: `sync` reports what matters. */
  close(): void;
}

/** The files of this process. */
export const files: NodeFiles = {
  async makeFolder(path) {
    await folders(path);
  },

  create(path) {
    return new Opened(openSync(path, "wx"), 0);
  },

  async syncFolder(path, andAbove) {
    if (!SYNCS_FOLDERS) {
      await stat(path);
      return;
    }
    if (andAbove) {
      await syncAbove(await realpath(path));
    }
    await syncOne(path);
  },

  link(from, to) {
    linkSync(from, to);
  },

  async rename(from, to) {
    await rename(from, to);
  },

  list(path) {
    return readdirSync(path);
  },

  remove(path) {
    unlinkSync(path);
  },

  size(path) {
    return statSync(path).size;
  },

  open(path) {
    const fd = openSync(path, "r");
    return new Opened(fd, fstatSync(fd).size);
  },

  async mounts(path) {
    const at = await standing(resolve(path));
    const table = platform === "linux" ? await readFile("/proc/self/mountinfo", "utf8").catch(() => "") : "";
    return { at, table };
  },
};

/** A closed file's descriptor is free for another file, so closing waits for the calls in progress. */
class Opened implements OpenFile {
  readonly size: number;
  readonly #fd: number;
  #calls = 0;
  #closes = false;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  read(offset: number, into: Uint8Array): number {
    return readSync(this.#fd, into, 0, into.length, offset);
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

  /** The size is new, so the metadata must reach the disk with the bytes. */
  sync(): Promise<void> {
    return this.#call((done) => fs.fsync(this.#fd, done));
  }

  close(): void {
    this.#closes = true;
    if (this.#calls > 0) return;
    try {
      closeSync(this.#fd);
    } catch {
      // The descriptor is released all the same. Bytes that must survive were synced before, and `sync` reported its errors.
    }
  }

  #call<T = void>(begin: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      begin((error, value) => {
        this.#calls -= 1;
        if (this.#closes) this.close();
        if (error) reject(error);
        else resolve(value as T);
      });
    });
  }
}

/**
 * Makes a folder and those above it. Not `mkdir(path, { recursive: true })`: where the kernel refuses a name in a folder that is there
 * (`/proc/x`), Node tries for ever.
 */
async function folders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const above = dirname(path);
    if (code === "ENOENT" && above !== path && !(await isFolder(above))) {
      await folders(above);
      // Another process may be faster; that what is there is a folder is found out when it is used.
      await mkdir(path).catch((late: NodeJS.ErrnoException) => {
        if (late.code !== "EEXIST") throw late;
      });
    } else if (!(await isFolder(path))) {
      throw error;
    }
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}

async function syncOne(path: string): Promise<void> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Another process may have made the folders on the way a moment ago and not synced them yet. */
async function syncAbove(path: string): Promise<void> {
  for (let at = path; dirname(at) !== at; ) {
    at = dirname(at);
    try {
      await syncOne(at);
    } catch (error) {
      if (!NOT_OURS.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}

/** The nearest folder that exists, at or above `path`, without links in it. */
async function standing(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : standing(above);
  }
}
