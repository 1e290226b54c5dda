// Web Cryptography §10.1 Crypto. The bits come from the seed of the execution, so a repeated instruction gives the
// same.
// Deviation: without getRandomValues and subtle.
class Crypto {
  // RFC 9562 §5.4 UUID Version 4.
  randomUUID() {
    return "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx".replace(/[xy]/g, (place) => {
      const digit = Math.floor(Math.random() * 16);
      return (place === "x" ? digit : 8 + (digit % 4)).toString(16);
    });
  }
}

export const crypto = new Crypto();
