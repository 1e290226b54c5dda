// What the file store asks of Node, over node:fs. Every call takes whole paths and fails with Node's own errors, whose `code` the store
// reads. The rules that make these calls a store are in src/store/file/mod.rs.
//
// What may wait for a disk is never called synchronously: others live on this thread, too. What only asks or lets go of a file that
// is open already is, since a trip to another thread costs more than that. The calls with callbacks are used where commits pass, because
// the handles of node:fs/promises double the cost of a call.

import * as fs from "node:fs";
import { mkdir, readFile, readdir, realpath, rename, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { platform } from "node:process";
import { promisify } from "node:util";

const { closeSync, constants, fstatSync, openSync, readSync } = fs;
const fsync = promisify(fs.fsync);
const link = promisify(fs.link);
const open = promisify(fs.open);
const unlink = promisify(fs.unlink);

/** As the callbacks of fs.read and fs.write tell it: how many bytes. */
const read = (...args) => counted(fs.read, args);
const write = (...args) => counted(fs.write, args);

function counted(call, args) {
  return new Promise((done, failed) => {
    call(...args, (error, count) => (error ? failed(error) : done(count)));
  });
}

/** Folders cannot be opened for syncing on Windows; the journal of NTFS orders names there. */
const SYNCS_FOLDERS = platform !== "win32";

/** Folders above the store that are not ours, and folders of special file systems: others made them, long before. */
const NOT_OURS = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP", "EOPNOTSUPP"]);

/** @type {import("./fs.js").NodeFiles} */
export const files = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
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
    return new NewFile(await open(path, "wx"));
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
    await link(from, to);
  },

  async rename(from, to) {
    await rename(from, to);
  },

  async list(path) {
    return readdir(path);
  },

  async read(path, start = 0, end = Infinity) {
    const fd = await open(path, "r");
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
    await unlink(path);
  },

  async size(path) {
    return (await stat(path)).size;
  },

  async open(path) {
    return new OpenFile(path);
  },

  async mounts(path) {
    const at = await standing(resolve(path));
    const table = platform === "linux" ? await readFile("/proc/self/mountinfo", "utf8").catch(() => "") : "";
    return { at, table };
  },
};

/** A file that is being written. */
class NewFile {
  #fd;

  constructor(fd) {
    this.#fd = fd;
  }

  async write(bytes) {
    for (let done = 0; done < bytes.length; ) {
      done += await write(this.#fd, bytes, done, bytes.length - done, null);
    }
  }

  async finish() {
    try {
      // The size is new, so the metadata must reach the disk with the bytes.
      await fsync(this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }

  async abandon() {
    closeSync(this.#fd);
  }
}

/** A file whose bytes never change, open for reading here and there until it is closed. */
class OpenFile {
  #fd;
  #size;

  constructor(path) {
    this.#fd = openSync(path, "r");
    this.#size = fstatSync(this.#fd).size;
  }

  get size() {
    return this.#size;
  }

  readAt(offset, length) {
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

  close() {
    closeSync(this.#fd);
  }
}

async function syncOne(path) {
  const fd = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await fsync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Another process may have made the folders on the way a moment ago and not synced them yet. */
async function syncAbove(path) {
  for (let at = path; dirname(at) !== at; ) {
    at = dirname(at);
    try {
      await syncOne(at);
    } catch (error) {
      if (!NOT_OURS.has(error.code)) throw error;
    }
  }
}

/** The nearest folder that exists, at or above `path`, without links in it. */
async function standing(path) {
  try {
    return await realpath(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : standing(above);
  }
}
