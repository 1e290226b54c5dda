// HTML §8.7 Timers: setInterval, clearInterval, and clearTimeout beside them. Each repetition is a timer of its own,
// which begins after the function has returned, as in Node.
const timers = new Map();

function setInterval(callback, delay, ...args) {
  const repeat = () => {
    callback(...args);
    if (timers.has(first)) timers.set(first, setTimeout(repeat, delay));
  };
  const first = setTimeout(typeof callback === "function" ? repeat : callback, delay);
  timers.set(first, first);
  return first;
}

// Either function stops either timer.
function clear(timer) {
  clearTimeout(timers.get(timer) ?? timer);
  timers.delete(timer);
}

export { setInterval, clear as clearInterval, clear as clearTimeout };
