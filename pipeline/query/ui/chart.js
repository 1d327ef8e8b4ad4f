// Small charts of lines, drawn as SVG: one value a step, gaps where nothing is known, and the figures of the step under
// the pointer. A table of the same figures is there for whoever cannot see them.

import { moment } from "./format.js";
import { html, useLayoutEffect, useRef, useState } from "./library.js";
import { oneLine } from "./text.js";

const WIDTH_AT_FIRST = 560;
const HEIGHT = 150;
const EDGE = { left: 44, right: 8, top: 10, bottom: 22 };
const LINES = 3;

// Where `counts` is set, zeros everywhere mean that nothing happened; elsewhere zero is a figure like others.
export function Chart({ title, note, starts, series, write, counts = false }) {
  const [at, setAt] = useState(null);
  const box = useRef();
  const width = useWidth(box);
  const most = niceAbove(Math.max(...series.flatMap(({ values }) => values.filter((value) => value !== null)), 0));
  const least = Math.min(0, ...series.flatMap(({ values }) => values.filter((value) => value !== null)));
  const x = (step) => EDGE.left + (step / Math.max(starts.length - 1, 1)) * (width - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - least) / (most - least || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width * width - EDGE.left) / (width - EDGE.left - EDGE.right);
    setAt(Math.min(Math.max(Math.round(share * (starts.length - 1)), 0), starts.length - 1));
  };
  const step = at ?? starts.length - 1;
  const isEmpty = series.every(({ values }) => values.every((value) => value === null || (counts && value === 0)));
  return html`
    <figure class="chart">
      <figcaption><h3>${title}</h3>
        <p class="soft">${at === null ? note : moment(starts[step])}</p>
        <ul class="plain legend">${series.map(({ name, label, values }, number) => html`
          <li key=${name}><i class=${`swatch line-${number}`}></i>${oneLine(label ?? name, 40)}
            <b>${at === null ? "" : values[step] === null ? "none" : write(values[step])}</b></li>`)}</ul>
      </figcaption>
      <svg ref=${box} viewBox="0 0 ${width} ${HEIGHT}" height=${HEIGHT} role="img" aria-label=${`${title}, ${note}`} onPointerMove=${point}
        onPointerLeave=${() => setAt(null)}>
        ${Array.from({ length: LINES + 1 }, (_, line) => least + ((most - least) * line) / LINES).map((value) => html`
          <g key=${value}><path class="grid" d="M${EDGE.left} ${y(value)}H${width - EDGE.right}" />
            ${!isEmpty && html`<text x=${EDGE.left - 6} y=${y(value) + 4} text-anchor="end">${write(value)}</text>`}</g>`)}
        <text x=${EDGE.left} y=${HEIGHT - 5}>${moment(starts[0])}</text>
        <text x=${width - EDGE.right} y=${HEIGHT - 5} text-anchor="end">${moment(starts.at(-1))}</text>
        ${series.map(({ name, values }, number) => html`
          <g key=${name} class=${`line-${number}`}>
            <path class="line" d=${pathOf(values, x, y)} />
            ${lone(values).map(([at, value]) => html`<circle key=${at} class="dot" cx=${x(at)} cy=${y(value)} r="3" />`)}
          </g>`)}
        ${at !== null && html`<path class="pointer" d="M${x(step)} ${EDGE.top}V${HEIGHT - EDGE.bottom}" />`}
        ${isEmpty && html`<text class="nothing" x=${width / 2} y=${HEIGHT / 2}
          text-anchor="middle">nothing in this time</text>`}
      </svg>
      <table class="unseen"><caption>${title}</caption>
        <thead><tr><th scope="col">from</th>${series.map(({ name, label }) => html`<th scope="col"
          key=${name}>${label ?? name}</th>`)}</tr></thead>
        <tbody>${starts.map((start, row) => html`<tr key=${start}><th scope="row">${moment(start)}</th>
          ${series.map(({ name, values }) => html`<td
            key=${name}>${values[row] === null ? "none" : write(values[row])}</td>`)}</tr>`)}</tbody>
      </table>
    </figure>`;
}

// The width that the drawing has on the screen: one unit is one pixel, so that its letters have their size.
function useWidth(node) {
  const [width, set] = useState(WIDTH_AT_FIRST);
  useLayoutEffect(() => {
    const look = () => set(Math.round(node.current.getBoundingClientRect().width) || WIDTH_AT_FIRST);
    look();
    const watch = new ResizeObserver(look);
    watch.observe(node.current);
    return () => watch.disconnect();
  }, []);
  return width;
}

// Lines between what is known next to each other.
function pathOf(values, x, y) {
  let path = "";
  values.forEach((value, step) => {
    if (value === null) return;
    path += `${step > 0 && values[step - 1] !== null ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  return path;
}

// Values with nothing known on either side are no line: they are dots.
const lone = (values) => values.flatMap((value, step) =>
  (value !== null && (values[step - 1] ?? null) === null && (values[step + 1] ?? null) === null ? [[step, value]] : []));

// The next of 1, 2, 3, 6 times a power of ten: a third of it is a round number too, or nearly.
function niceAbove(value) {
  if (value <= 0) return 3;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 3, 6, 9, 15].map((step) => step * power).find((step) => step >= value);
}
