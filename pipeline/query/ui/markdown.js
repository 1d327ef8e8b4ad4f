// Markdown to elements: marked reads it, highlight.js colours code, DOMPurify lets through what is on the list below.
// HTML inside a message is shown as the text that it is. This module is fetched with the first message.

import { Marked } from "./vendor/marked.js";
import DOMPurify from "./vendor/purify.js";
import highlighter from "./vendor/highlight.js";
import { plain } from "./text.js";

const LANGUAGES = ["bash", "css", "diff", "go", "java", "javascript", "json", "markdown", "python", "rust", "sql",
  "typescript", "xml", "yaml"];
const HIGHLIGHTED_CHARACTERS_MAX = 20_000;
const TAGS = ["a", "b", "blockquote", "br", "button", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
  "img", "input", "li", "ol", "p", "pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"];
const ATTRIBUTES = ["align", "alt", "checked", "class", "data-image", "disabled", "href", "src", "start", "title", "type"];
const CLASSES = /^(hljs(-[a-z_]+)?|[a-z]+_|language-[a-z]+|far-image)$/;
const DATA_IMAGE = /^data:image\/(png|jpe?g|gif|webp|avif|bmp);base64,/i;
const FAR_IMAGE = /^https:\/\//i;

await Promise.all(LANGUAGES.map(async (name) => {
  const { default: grammar } = await import(`./vendor/languages/${name}.js`);
  highlighter.registerLanguage(name, grammar);
}));

const parser = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    code({ text, lang }) {
      const language = highlighter.getLanguage(lang) ? lang : null;
      const short = text.length <= HIGHLIGHTED_CHARACTERS_MAX;
      const coloured = language && short ? highlighter.highlight(text, { language }).value : escaped(text);
      return `<pre><code class="hljs">${coloured}</code></pre>`;
    },
    image({ href, text }) {
      if (DATA_IMAGE.test(href)) return `<img src="${escaped(href)}" alt="${escaped(text)}">`;
      if (!FAR_IMAGE.test(href)) return escaped(text || href);
      return `<button type="button" class="far-image"
        data-image="${escaped(href)}">${escaped(farLabel(href))}</button>`;
    },
  },
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  }
  if (node.tagName === "INPUT") node.setAttribute("disabled", "");
  for (const name of [...node.classList]) if (!CLASSES.test(name)) node.classList.remove(name);
});

// Returns a fragment to be put into the page.
export function elements(text) {
  const fragment = DOMPurify.sanitize(parser.parse(plain(text)), {
    ALLOWED_TAGS: TAGS, ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(https?:|mailto:|data:image\/)/i, RETURN_DOM_FRAGMENT: true,
  });
  for (const button of fragment.querySelectorAll("button")) armFarImage(button);
  for (const table of fragment.querySelectorAll("table, pre")) table.tabIndex = 0;
  return fragment;
}

// An image from elsewhere tells its server that someone looks, so it is fetched only when a person asks for it.
function armFarImage(button) {
  const url = button.dataset.image;
  if (!url || !FAR_IMAGE.test(url)) {
    button.replaceWith(button.textContent);
    return;
  }
  button.addEventListener("click", () => {
    const image = document.createElement("img");
    image.src = url;
    image.alt = button.textContent;
    button.replaceWith(image);
  });
}

function farLabel(url) {
  try {
    return `Show the image from ${new URL(url).host}`;
  } catch {
    return "Show the image";
  }
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => text.replace(/[&<>"']/g, (character) => ESCAPES[character]);
