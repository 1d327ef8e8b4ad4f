// One line at the foot of the page about something that just went wrong, or right; it leaves by itself.

import { html, useEffect, useState } from "./library.js";

const SHOWN_MS = 7000;
const bus = new EventTarget();

export function notice(text) {
  bus.dispatchEvent(new CustomEvent("notice", { detail: text }));
}

export function Notice() {
  const [text, set] = useState("");
  useEffect(() => {
    let timer;
    const show = ({ detail }) => {
      set(detail);
      clearTimeout(timer);
      timer = setTimeout(() => set(""), SHOWN_MS);
    };
    bus.addEventListener("notice", show);
    return () => bus.removeEventListener("notice", show);
  }, []);
  return html`<div class=${text ? "notice" : "unseen"} role="alert">${text}</div>`;
}
