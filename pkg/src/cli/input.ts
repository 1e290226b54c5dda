// Input files and standard input, as UTF-8 text.

import { createReadStream, readFileSync } from "node:fs";

import { RunstateError } from "../errors.js";

/** The largest size of an answer, in bytes; `limits::PLAIN_VALUE_BYTES` of the engine. */
const ANSWER_BYTES = 2 ** 20;

/** Reads the source of a program. */
export function readSource(file: string): string {
  try {
    return strictDecoder().decode(readFileSync(file));
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Reads an answer from a file, or from standard input for `-`, without its last line end. */
export async function readAnswerFile(file: string): Promise<string> {
  const name = file === "-" ? "standard input" : file;
  const bytes = await readLimited(file).catch((error: unknown) => {
    throw unreadable(name, error);
  });
  if (bytes === undefined) throw invalidAnswer(`the answer from ${name} is larger than ${ANSWER_BYTES} bytes; nothing was changed`);
  try {
    return strictDecoder().decode(bytes).replace(/\r?\n$/, "");
  } catch {
    const problem = `${name} is not valid UTF-8: byte ${countValidBytes(bytes) + 1} is the first invalid byte`;
    throw invalidAnswer(`${problem}; nothing was changed. Convert the text to UTF-8, or encode binary data, for example as base64`);
  }
}

/** Reads the bytes of an answer with its line end. Resolves to undefined, and stops reading, if there are too many. */
async function readLimited(file: string): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of file === "-" ? process.stdin : createReadStream(file)) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size > ANSWER_BYTES + "\r\n".length) return undefined;
  }
  return Buffer.concat(chunks);
}

/** The number of bytes before the first one that is not valid UTF-8. */
function countValidBytes(bytes: Uint8Array): number {
  const decoder = strictDecoder();
  let valid = 0;
  try {
    for (const byte of bytes) valid += Buffer.byteLength(decoder.decode(Uint8Array.of(byte), { stream: true }));
  } catch {
    // The characters before this byte are counted.
  }
  return valid;
}

/** A decoder that rejects invalid UTF-8, which is otherwise replaced silently. */
function strictDecoder(): TextDecoder {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
}

function unreadable(name: string, error: unknown): RunstateError {
  return new RunstateError({ code: "io", message: `${name} cannot be read: ${(error as Error).message}. Name a UTF-8 file that you may read` });
}

function invalidAnswer(message: string): RunstateError {
  return new RunstateError({ code: "invalid_answer", message });
}
