// Single keys, while nobody is typing. The latest view that knows a key gets it.

import { useEffect, useRef } from "./library.js";

export const KEYS = [
  ["j", "next thread"], ["k", "previous thread"], ["Enter", "open the thread"], ["Escape", "back"],
  ["n", "next turn"], ["p", "previous turn"], ["u", "rate the answer up"], ["d", "rate the answer down"],
  ["i", "mark as inactive, or reopen"], ["/", "search"], ["?", "these keys"],
];
const layers = [];

export function useKeys(acts) {
  const layer = useRef(acts);
  layer.current = acts;
  useEffect(() => {
    layers.push(layer);
    return () => { layers.splice(layers.indexOf(layer), 1); };
  }, []);
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) {
    if (event.key === "Escape") event.target.blur(); // the next key is one of ours again
    return;
  }
  // A focused button or link keeps the key that presses it.
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  const act = layers.findLast((layer) => layer.current[event.key])?.current[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
