// Web Cryptography §10.1 Crypto. The bits come from the seed of the execution, so a repeated instruction gives the
// same.
// Deviation: without subtle.
class Crypto {
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array) || array instanceof DataView || /^Float/.test(array.constructor.name))
      throw $error("TypeMismatchError", "The data argument must be an integer-type TypedArray", 17);
    if (array.byteLength > 65536) throw $error("QuotaExceededError", "The requested length exceeds 65,536 bytes", 22);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(Math.random() * 256);
    return array;
  }

  // RFC 9562 §5.4 UUID Version 4.
  randomUUID() {
    return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (place) => {
      const digit = Math.floor(Math.random() * 16);
      return (place === "x" ? digit : 8 + (digit % 4)).toString(16);
    });
  }
}

export const crypto = new Crypto();
