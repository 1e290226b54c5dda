// What the file store asks of Node, over node:fs. Every call takes whole paths and fails with Node's own errors, whose `code` the store
// reads. What must hold on return is said at the trait `Fs` in src/store/file/fs.rs, the rules that make these calls a store in mod.rs there.
//
// What waits for a disk is never called synchronously: others live on this thread, too. Those are syncs, and reads and writes of more than
// `SHORT` bytes. All else that a commit or a read calls ends in the kernel's memory, in 5 to 30 µs, where a trip to another thread and back
// costs 50 to 200: the store refuses network file systems. The calls with callbacks are used, because the handles of node:fs/promises double
// the cost of a call.

import * as fs from "node:fs";
import { mkdir, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";

const { closeSync, constants, fstatSync, linkSync, openSync, readSync, readdirSync, statSync, unlinkSync, writeSync } = fs;
const fsync = promisify(fs.fsync);

/** As many bytes are copied in about 30 µs. */
const SHORT = 65_536;

/** As the callbacks of fs.read and fs.write tell it: how many bytes. */
async function read(fd: number, bytes: Uint8Array, offset: number, length: number, position: number): Promise<number> {
  if (length <= SHORT) return readSync(fd, bytes, offset, length, position);
  return new Promise((done, failed) => {
    fs.read(fd, bytes, offset, length, position, (error, count) => (error ? failed(error) : done(count)));
  });
}

async function write(fd: number, bytes: Uint8Array, offset: number, length: number): Promise<number> {
  if (length <= SHORT) return writeSync(fd, bytes, offset, length);
  return new Promise((done, failed) => {
    fs.write(fd, bytes, offset, length, null, (error, count) => (error ? failed(error) : done(count)));
  });
}

/** Folders cannot be opened for syncing on Windows; the journal of NTFS orders names there. */
const SYNCS_FOLDERS = platform !== "win32";

/** Folders above the store that are not ours, and folders of special file systems: others made them, long before. */
const NOT_OURS = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/** What the file store asks of its host. Paths are whole ones; a call that fails does so with an error that has Node's `code`. */
export interface NodeFiles {
  /** Makes a folder and all above it; fine where it exists. */
  makeFolder(path: string): Promise<void>;
  /** Writes a new file, syncs and closes it. `EEXIST` where the name is taken. */
  putTemp(path: string, bytes: Uint8Array): Promise<void>;
  /** Begins a new file that is written in pieces. `EEXIST` where the name is taken. */
  create(path: string): Promise<NewFile>;
  /** Syncs the names in a folder; with `andAbove` also the way to it. */
  syncFolder(path: string, andAbove: boolean): Promise<void>;
  /** Gives a file a second name. `EEXIST` where that is taken, `EPERM` or `ENOTSUP` where there are no hard links. */
  link(from: string, to: string): Promise<void>;
  /** Renames, replacing what is there. */
  rename(from: string, to: string): Promise<void>;
  /** The names in a folder. */
  list(path: string): Promise<string[]>;
  /** The bytes of a file from `start` to before `end`, as many as it has; without them all. */
  read(path: string, start?: number, end?: number): Promise<Uint8Array>;
  /** Removes a file. */
  remove(path: string): Promise<void>;
  /** How many bytes a file has. */
  size(path: string): Promise<number>;
  /** Opens a file to be read here and there; it can be read on when its name is removed. */
  open(path: string): Promise<OpenFile>;
  /** The nearest folder that exists at or above `path`, and the text of the kernel's table of mounts, empty where there is none. */
  mounts(path: string): Promise<{ at: string; table: string }>;
}

/** A file that is being written; ends with `finish` or `abandon`. */
export interface NewFile {
  /** Adds all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Syncs and closes it. */
  finish(): Promise<void>;
  /** Closes it as it is. */
  abandon(): Promise<void>;
}

/** A file that is open for reading. */
export interface OpenFile {
  /** How many bytes it has. */
  readonly size: number;
  /** The bytes from `offset` on, fewer than `length` only where the file ends. */
  readAt(offset: number, length: number): Uint8Array;
  /** Closes it. */
  close(): void;
}

/** The files of this process. */
export const files: NodeFiles = {
  async makeFolder(path) {
    await folders(path);
  },

  async putTemp(path, bytes) {
    const file = await this.create(path);
    try {
      await file.write(bytes);
    } catch (error) {
      await file.abandon();
      throw error;
    }
    await file.finish();
  },

  async create(path) {
    return new Written(openSync(path, "wx"));
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

  async link(from, to) {
    linkSync(from, to);
  },

  async rename(from, to) {
    await rename(from, to);
  },

  async list(path) {
    return readdirSync(path);
  },

  async read(path, start = 0, end = Infinity) {
    const fd = openSync(path, "r");
    try {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, fstatSync(fd).size) - start));
      let done = 0;
      while (done < bytes.length) {
        const count = await read(fd, bytes, done, bytes.length - done, start + done);
        if (count === 0) break;
        done += count;
      }
      return bytes.subarray(0, done);
    } finally {
      closeSync(fd);
    }
  },

  async remove(path) {
    unlinkSync(path);
  },

  async size(path) {
    return statSync(path).size;
  },

  async open(path) {
    return new Opened(path);
  },

  async mounts(path) {
    const at = await standing(resolve(path));
    const table = platform === "linux" ? await readFile("/proc/self/mountinfo", "utf8").catch(() => "") : "";
    return { at, table };
  },
};

/** A file that is being written. */
class Written implements NewFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      done += await write(this.#fd, bytes, done, bytes.length - done);
    }
  }

  async finish(): Promise<void> {
    try {
      // The size is new, so the metadata must reach the disk with the bytes.
      await fsync(this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }

  async abandon(): Promise<void> {
    closeSync(this.#fd);
  }
}

/** A file whose bytes never change, open for reading here and there until it is closed. */
class Opened implements OpenFile {
  readonly #fd: number;
  readonly #size: number;

  constructor(path: string) {
    this.#fd = openSync(path, "r");
    this.#size = fstatSync(this.#fd).size;
  }

  get size(): number {
    return this.#size;
  }

  readAt(offset: number, length: number): Uint8Array {
    // What a damaged file says of lengths must not fill the memory.
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const read = readSync(this.#fd, bytes, done, bytes.length - done, offset + done);
      if (read === 0) break;
      done += read;
    }
    return bytes.subarray(0, done);
  }

  close(): void {
    closeSync(this.#fd);
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
