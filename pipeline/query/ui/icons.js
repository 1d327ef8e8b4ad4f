// Line drawings of 24 by 24; what they mean is said by the control they stand in.

import { html } from "./library.js";

const PATHS = {
  up: "M7 11v9H4v-9zM7 11l4-8c1.500 0 2.500 1 2.500 2.500L13 9h5.500c1.200 0 2 1 1.800 2.200l-1.200 7c-.2 1-1 1.800-2 1.800H7",
  down: "M17 13V4h3v9zM17 13l-4 8c-1.500 0-2.500-1-2.500-2.500L11 15H5.500c-1.200 0-2-1-1.800-2.200l1.200-7c.2-1 1-1.800 2-1.800H17",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  filter: "M4 6h16M7 12h10M10 18h4",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5M13.500 5l-3 14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  sun: "M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14.500A8.500 8.500 0 019.500 4 8.500 8.500 0 1020 14.500z",
  tree: "M5 4v13h6M5 9h6M13 7h7v4h-7zM13 15h7v4h-7z",
  comment: "M4 5h16v11H10l-5 4v-4H4z",
  right: "M9 6l6 6-6 6",
  open: "M6 9l6 6 6-6",
  star: "M12 4l2.400 5 5.600.8-4 3.900 1 5.500-5-2.600-5 2.600 1-5.500-4-3.900 5.600-.8z",
  warn: "M12 4l9 16H3zM12 10v4M12 17v.1",
  panel: "M4 5h16v14H4zM14 5v14",
};

export const Icon = ({ name }) => html`
  <svg viewBox="0 0 24 24" aria-hidden="true" class="drawing"><path d=${PATHS[name]} /></svg>`;

// A button that shows a drawing and says its meaning to those who hover, and to screen readers.
export const IconButton = ({ icon, label, act, on, className = "", ...more }) => html`
  <button type="button" class="icon ${on ? "on" : ""} ${className}" title=${label} aria-label=${label} onClick=${act}
    ...${on === undefined ? {} : { "aria-pressed": String(Boolean(on)) }} ...${more}><${Icon} name=${icon} /></button>`;
