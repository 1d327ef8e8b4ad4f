// What the API key of this tab may do. The API decides; the page only says it before anyone tries.

import { html } from "./library.js";
import { notice } from "./notice.js";

const MEANT = {
  annotate: "score, comment, tag, open or close threads",
  ingest: "change traces, so it cannot tag them",
  admin: "change settings and rules",
};
let rights = null; // nobody has said yet, or no keys are in force: everything may be tried

export const learn = (told) => { rights = told ?? null; };
export const may = (right) => rights === null || rights.includes(right);

const whyNot = (right) => `This API key may not ${MEANT[right]}.`;

// Controls that write: disabled, and saying why, where the key does not have the right.
export const Writes = ({ right = "annotate", children }) => html`
  <fieldset class="bare" role="presentation" disabled=${!may(right)}>${children}</fieldset>`;

export const Refusal = ({ right = "annotate" }) => !may(right) && html`
  <p class="why">${whyNot(right)} Another key can be entered in Settings.</p>`;

// For keys of the keyboard, which no control stands for.
export const ifAllowed = (right, act) => (may(right) ? act() : notice(whyNot(right)));
