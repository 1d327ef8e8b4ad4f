// What happened in a project lately, in charts.

import * as api from "./api.js";
import { go } from "./address.js";
import { Chart } from "./chart.js";
import { length, number } from "./format.js";
import { html, useEffect } from "./library.js";
import { useLoad, useWhileVisible } from "./loading.js";
import { Failed, Loading } from "./states.js";

const REFRESH_MS = 10_000;
const SPANS = { 1: "1 hour", 6: "6 hours", 24: "1 day", 168: "7 days", 720: "30 days" };
const STEPS = { 60: "minute", 300: "5 minutes", 900: "15 minutes", 3600: "hour", 14400: "4 hours", 86400: "day" };

export function Overview({ address, projectId, heard }) {
  const hours = SPANS[address.hours] ? address.hours : "24";
  const { value, error, reload } = useLoad((signal) => api.overview(projectId, hours, signal), [projectId, hours]);
  useWhileVisible(reload, REFRESH_MS);
  useEffect(() => { if (heard) reload(); }, [heard]);
  if (error && !value) return html`<${Failed} error=${error} retry=${reload} />`;
  if (!value) return html`<${Loading} what="the overview" />`;
  const per = `per ${STEPS[value.step_seconds]}`;
  const sum = (series, name) => series.find((each) => each.name === name).values.reduce((all, each) => all + (each ?? 0), 0);
  return html`
    <div class="overview">
      <header class="overview-head"><h1>Overview</h1>
        <div class="choice" role="group" aria-label="How far back">${Object.entries(SPANS).map(([name, label]) => html`
          <button type="button" key=${name} aria-pressed=${String(name === hours)}
            onClick=${() => go({ hours: name })}>${label}</button>`)}</div>
      </header>
      <dl class="figures">
        <${Figure} name="Open threads now" value=${number(value.open_threads)} />
        <${Figure} name="Sessions opened" value=${number(sum(value.threads, "opened"))} />
        <${Figure} name="Messages" value=${number(sum(value.traces, "messages"))} />
        <${Figure} name="Failed traces" value=${number(sum(value.traces, "failed"))} />
        <${Figure} name="Dead letters" value=${number(sum(value.dead_letters, "letters"))} />
      </dl>
      <div class="charts">
        <${Chart} counts title="Sessions" note=${per} starts=${value.starts} write=${number} series=${value.threads} />
        <${Chart} counts title="Traffic" note=${per} starts=${value.starts} write=${number} series=${value.traces} />
        <${Chart} title="Close delay" note="from the deadline to the published close" starts=${value.starts}
          write=${length}
          series=${value.close_delay_ms.map((each) => ({ ...each, label: { p50: "median", p99: "99 of 100" }[each.name] }))} />
        <${Chart} title="Scores" note="average ${per}" starts=${value.starts} write=${number}
          series=${value.scores} />
        <${Chart} counts title="Dead letters" note="${per}, of the whole workspace" starts=${value.starts} write=${number}
          series=${value.dead_letters} />
      </div>
    </div>`;
}

const Figure = ({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
