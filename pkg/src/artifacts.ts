// `rs.apps.artifacts`: the bytes of artifacts. The row of an artifact has operations: `rs.apps.artifact`.

import { untilAborted } from "./abort.js";
import type { Engine } from "./engine.js";
import { usageError } from "./errors.js";
import { encodeParams, rejectLoneSurrogates } from "./json-encoding.js";
import type { JsonInput } from "./json.js";
import { WAIT, type WaitOptions, requireText } from "./options.js";
import { type OptionValidators, anything, validateOptions } from "./validation.js";
import type { CollectReport } from "./wire.js";

/** The bytes of an artifact: all at once, or a stream of pieces. A string is stored in UTF-8. */
export type ArtifactContent = string | Uint8Array | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** The artifact to store. */
export interface PutArtifactOptions extends WaitOptions {
  /** The execution that has the step. */
  execution: string;
  step: number;
  /** Its type, such as `screenshot`, `log`, `code` or `report`. */
  type: string;
  /** Its name, such as that of a file. */
  name: string;
  /** The media type of its content. Default: `application/octet-stream`. */
  mimeType?: string;
  metadata?: { readonly [name: string]: JsonInput | undefined };
}

/** The bytes to read. */
export interface ReadArtifactOptions extends WaitOptions {
  /** The number of the first byte, from 0. Default: 0. */
  start?: number;
  /** The number after that of the last byte. Default, and at most: the number of bytes. */
  end?: number;
}

const PUT: OptionValidators<PutArtifactOptions> = {
  execution: anything, step: anything, type: anything, name: anything, mimeType: anything, metadata: anything, ...WAIT,
};
const READ: OptionValidators<ReadArtifactOptions> = { start: anything, end: anything, ...WAIT };

/** The largest piece that crosses to the WebAssembly, in bytes. */
const PIECE_BYTES = 1024 * 1024;

/**
 * The bytes of artifacts of steps. They are documents of the store, at most 100 MiB for each artifact, and are checked
 * by their hash when they are read. Neither `put` nor `read` holds more than 5 MiB of them. Rows are shown, listed and
 * removed by `rs.apps.artifact`.
 */
export class Artifacts {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Stores an artifact, and resolves to its id. It exists from then on, with all its bytes. If the source fails or the
   * signal is aborted, there is no artifact, and {@link Artifacts.collect} removes the bytes that were written. A
   * source is read only as fast as its bytes are stored, and is cancelled if it is not read to its end.
   *
   * Errors: `not_found` (the execution), `limit` (more than 100 MiB), `stale_upload` (nothing was written for an
   * hour); those of the source.
   *
   * @example
   * const artifact = { execution, step, type: "report", name: "june.pdf", mimeType: "application/pdf" };
   * const id = await rs.apps.artifacts.put(response.body, artifact);
   */
  async put(content: ArtifactContent, options: PutArtifactOptions): Promise<string> {
    const method = "apps.artifacts.put";
    const { signal, ...artifact } = validateOptions(method, options, PUT);
    const pieces = iteratorOf(content);
    const json = encodeParams(method, artifact);
    signal?.throwIfAborted();
    const upload = await this.#engine.runExcluded("apps", (raw) => raw.putArtifact?.(json));
    const write = (bytes: Uint8Array) => this.#engine.run(() => upload.write(bytes));
    try {
      for (;;) {
        const { done, value } = await untilAborted(Promise.resolve(pieces.next()), signal);
        if (done === true) break;
        if (!(value instanceof Uint8Array)) throw usageError(`${method}: a stream must consist of Uint8Arrays`);
        for (let at = 0; at < value.length; at += PIECE_BYTES) {
          await write(value.subarray(at, at + PIECE_BYTES));
          signal?.throwIfAborted();
        }
      }
      // From here on the signal has no effect: a rejection means that there is no artifact.
      return await this.#engine.run(() => upload.finish());
    } catch (error) {
      // The caller gets the first error. A source that waits ends in its own time, and an upload that cannot be given
      // up is abandoned after an hour.
      Promise.resolve(pieces.return?.(error)).catch(() => {});
      await this.#engine.run(() => upload.abort()).catch(() => {});
      throw error;
    } finally {
      upload.free();
      this.#engine.onDueChange();
    }
  }

  /**
   * Reads the bytes of an artifact, or those from `start` to before `end`. They are read as fast as the stream is, in
   * pieces of at most 5 MiB.
   *
   * Errors: `not_found`, `unsupported` (the bytes are in a storage that this host does not have). The stream fails as
   * `corrupt` before bytes that are missing or are not those that were stored, as `not_found` if the artifact is
   * removed meanwhile, and as `closed` after the store is closed.
   *
   * @example
   * return new Response(await rs.apps.artifacts.read(id), { headers: { "content-type": artifact.mimeType } });
   */
  async read(id: string, options: ReadArtifactOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const method = "apps.artifacts.read";
    const { signal, ...range } = validateOptions(method, options, READ);
    const json = encodeParams(method, { id: requireText(id, "the id of an artifact"), ...range });
    signal?.throwIfAborted();
    const reader = await this.#engine.runExcluded("apps", (raw) => raw.readArtifact?.(json));
    let isOpen = true;
    const close = () => {
      if (isOpen) reader.free();
      isOpen = false;
      signal?.removeEventListener("abort", fail);
    };
    let fail = () => {};
    const source: UnderlyingDefaultSource<Uint8Array> = {
      start(stream) {
        fail = () => {
          close();
          stream.error(signal?.reason);
        };
        if (signal?.aborted === true) fail();
        signal?.addEventListener("abort", fail, { once: true });
      },
      pull: async (stream) => {
        try {
          const bytes = await this.#engine.run(() => reader.next());
          // It was cancelled meanwhile.
          if (!isOpen) return;
          if (bytes !== undefined) return stream.enqueue(bytes);
          close();
          stream.close();
        } catch (error) {
          close();
          throw error;
        }
      },
      cancel: close,
    };
    // Nothing is read before it is wanted.
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  /** Reads the bytes of an artifact, all of which are in memory then, as {@link Artifacts.read} does. */
  async bytes(id: string, options: ReadArtifactOptions = {}): Promise<Uint8Array> {
    return new Uint8Array(await new Response(await this.read(id, options)).arrayBuffer());
  }

  /** Reads the text of an artifact in UTF-8, as {@link Artifacts.read} does. */
  async text(id: string, options: ReadArtifactOptions = {}): Promise<string> {
    return new Response(await this.read(id, options)).text();
  }

  /** Removes the bytes that no artifact has, at most those of 100 artifacts. Bytes of a process that died are removed
   * two hours later. */
  async collect(options: WaitOptions = {}): Promise<CollectReport> {
    const { signal } = validateOptions("apps.artifacts.collect", options, WAIT);
    signal?.throwIfAborted();
    return untilAborted(this.#engine.runExcluded("apps", (raw) => raw.collectArtifacts?.()), signal);
  }
}

/** An iterator over the pieces of a content. Its `return` cancels a stream. */
function iteratorOf(content: ArtifactContent): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof content === "string") {
    rejectLoneSurrogates("the content of the artifact", content);
    return [new TextEncoder().encode(content)].values();
  }
  if (content instanceof Uint8Array) return [content].values();
  const source = content as Partial<Blob & ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>> | null | undefined;
  if (typeof source?.stream === "function") return streamIterator(source.stream());
  // Not every browser can iterate over a stream.
  if (typeof source?.getReader === "function") return streamIterator(source as ReadableStream<unknown>);
  const iterate = source?.[Symbol.asyncIterator];
  if (typeof iterate === "function") return iterate.call(source);
  throw usageError("the content of an artifact must be a string, a Uint8Array, a Blob, a ReadableStream or an async iterable of Uint8Arrays");
}

function streamIterator(stream: ReadableStream<unknown>): AsyncIterator<unknown> {
  const reader = stream.getReader();
  return {
    next: async () => (await reader.read()) as IteratorResult<unknown>,
    return: async (error: unknown) => {
      await reader.cancel(error);
      return { done: true, value: undefined };
    },
  };
}
