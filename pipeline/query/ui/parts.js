// The parts of a message, drawn: markdown, images, calls of tools, JSON. Long ones are folded, and what is not near the
// screen yet costs nothing.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./library.js";
import { plain, pretty } from "./text.js";
import { number } from "./format.js";

const FOLD_CHARACTERS = 2500;
const MARKDOWN_CHARACTERS_MAX = 100_000;
const NEAR = "600px";
const FAR_IMAGE = /^https?:/i;

let markdown = null;
const readyMarkdown = () => (markdown ??= import("./markdown.js"));

export const Parts = ({ parts }) => parts.map((part, at) => html`<${DRAWN[part.kind]} key=${at} part=${part} />`);

function Text({ part }) {
  const [open, setOpen] = useState(false);
  const folded = !open && part.text.length > FOLD_CHARACTERS;
  const shown = folded ? `${part.text.slice(0, FOLD_CHARACTERS)} …` : part.text;
  return html`
    <${Markdown} text=${shown} />
    ${part.text.length > FOLD_CHARACTERS && html`
      <button type="button" class="unfold" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
        ${open ? "Show less" : `Show all ${number(part.text.length)} characters`}</button>`}`;
}

// The words stand there at once; their form comes when they are near the screen.
export function Markdown({ text }) {
  const node = useRef();
  const near = useNear(node);
  useLayoutEffect(() => { node.current.replaceChildren(plain(text)); node.current.className = "prose raw"; }, [text]);
  useEffect(() => {
    if (!near || text.length > MARKDOWN_CHARACTERS_MAX) return undefined;
    let wanted = true;
    readyMarkdown().then(({ elements }) => {
      if (!wanted) return;
      node.current.replaceChildren(elements(text));
      node.current.className = "prose";
    });
    return () => { wanted = false; };
  }, [near, text]);
  return html`<div ref=${node} dir="auto"></div>`;
}

export function useNear(node) {
  const [near, set] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      set(true);
      watch.disconnect();
    }, { rootMargin: NEAR });
    watch.observe(node.current);
    return () => watch.disconnect();
  }, []);
  return near;
}

function Image({ part }) {
  const [wanted, want] = useState(!FAR_IMAGE.test(part.url));
  if (wanted) return html`<img class="picture" src=${part.url} alt="Image in the message" />`;
  return html`<button type="button" class="far-image" onClick=${() => want(true)}>
    Show the image from ${host(part.url)}</button>`;
}

const host = (url) => (URL.canParse(url) ? new URL(url).host : "elsewhere");

const Tool = ({ part }) => html`
  <details class="tool-call"><summary><span class="tool-name">${plain(part.name)}</span></summary>
    <${Json} value=${part.detail} /></details>`;

const JsonPart = ({ part }) => html`<${Json} value=${part.value} />`;

export function Json({ value, label = "JSON" }) {
  const [open, setOpen] = useState(false);
  const text = plain(typeof value === "string" ? value : pretty(value) ?? "null");
  const folded = !open && text.length > FOLD_CHARACTERS;
  return html`
    <pre class="json" tabindex="0" aria-label=${label}>${folded ? `${text.slice(0, FOLD_CHARACTERS)} …` : text}</pre>
    ${text.length > FOLD_CHARACTERS && html`
      <button type="button" class="unfold" aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>
        ${open ? "Show less" : `Show all ${number(text.length)} characters`}</button>`}`;
}

const DRAWN = { text: Text, image: Image, tool: Tool, json: JsonPart };
