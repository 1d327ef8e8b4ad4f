// The only way this page makes elements: text goes in as text, so nothing a message contains is ever run.

export function element(name, { className, text, title, attributes, on } = {}, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (title) made.title = title;
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  for (const [event, listener] of Object.entries(on ?? {})) made.addEventListener(event, listener);
  made.append(...children.filter(Boolean));
  return made;
}

// Replaces the content of `node` unless it would show the same: keeps scroll, focus and selection between refreshes.
const shown = new WeakMap();

export function renewed(node, key, build) {
  if (shown.get(node) === key) return;
  shown.set(node, key);
  node.replaceChildren(...build().filter(Boolean));
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

export const THUMB_UP = "M7 11v9H4v-9zM7 11l4-8c1.500 0 2.500 1 2.500 2.500L13 9h5.500c1.200 0 2 1 1.800 2.200l-1.200 7c-.2 1-1 1.800-2 1.800H7";
export const THUMB_DOWN = "M17 13V4h3v9zM17 13l-4 8c-1.500 0-2.500-1-2.500-2.500L11 15H5.500c-1.200 0-2-1-1.800-2.200l1.200-7c.2-1 1-1.800 2-1.800H17";
export const BACK = "M15 5l-7 7 7 7";
