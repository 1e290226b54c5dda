/**
 * What the file store asks of Node. Paths are whole ones; a call that fails does so with an error that has Node's `code`.
 * What must hold on return is said at the trait `Fs` in `src/store/file/fs.rs`.
 */
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
export declare const files: NodeFiles;
