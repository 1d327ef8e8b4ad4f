// The page: the bar on top, and under it what the address names.

import * as api from "./api.js";
import { link, useAddress } from "./address.js";
import { Conversation } from "./conversation.js";
import { IconButton } from "./icons.js";
import { KEYS, useKeys } from "./keyboard.js";
import { html, render, useEffect, useRef, useState } from "./library.js";
import { useLive } from "./live.js";
import { useLoad, useWhileVisible } from "./loading.js";
import { Notice } from "./notice.js";
import { ProjectChoice, useProject } from "./project.js";
import { learn } from "./rights.js";
import { Failed, Loading, NoProject } from "./states.js";
import { oneLine } from "./text.js";
import { Threads, useThreads } from "./threads.js";
import * as theme from "./theme.js";

const VIEWS = { threads: "Threads", overview: "Overview", rules: "Rules", settings: "Settings" };
const PROJECTS_REFRESH_MS = 10_000;
const FIRST_PROJECT_MS = 1500;

function Page() {
  const address = useAddress();
  const caller = useLoad((signal) => api.caller(signal), []);
  learn(caller.value?.rights);
  const projects = useLoad((signal) => api.projects(signal), []);
  const refused = [caller.error, projects.error].find((error) => error?.refuses);
  const known = projects.value?.content ?? [];
  useWhileVisible(projects.reload, refused ? 0 : known.length ? PROJECTS_REFRESH_MS : FIRST_PROJECT_MS);
  const shown = useProject(address, projects.value?.content);
  const projectId = refused ? undefined : shown;
  const view = VIEWS[address.view] ? address.view : "threads";
  const [helping, setHelping] = useState(false);
  useKeys({ "?": () => setHelping(true) });
  useEffect(() => {
    document.title = [address.thread && oneLine(address.thread, 60), "Threadline"].filter(Boolean).join(" · ");
  }, [address.thread]);

  const list = useThreads(projectId, address);
  const [heard, setHeard] = useState(0);
  const stands = useLive(projectId, (name, event) => {
    list.hear(name, event);
    if (event.thread_id === address.thread || name === "missed") setHeard((count) => count + 1);
  });
  // First the list, then the names of columns: side by side storage would take twice as long for what is waited for.
  const names = useLoad((signal) => (list.value ? api.scoreNames(projectId, signal) : undefined), [projectId, list.value?.total]);
  const scoreNames = useSteady(projectId, names.value?.scores.map(({ name }) => name), list.rows);
  const isRead = !refused && Boolean(list.value ?? list.error);
  const configuration = useLoad((signal) => (isRead ? api.configurationInForce(signal) : undefined), [view, isRead]);
  const regime = configuration.value?.thread_score_regime;

  const shared = { address, projectId, list, scoreNames, regime, heard };
  return html`
    <header class="bar">
      <a class="brand" href="#"><img src=${new URL("icon.svg", import.meta.url).pathname} alt="" width="22"
        height="22" />Threadline</a>
      <${ProjectChoice} projects=${known} projectId=${projectId} />
      <nav class="views" aria-label="Views">${Object.entries(VIEWS).map(([name, label]) => html`
        <a href=${link({ view: name === "threads" ? null : name, thread: null, trace: null, span: null })}
          aria-current=${name === view ? "page" : undefined}>${label}</a>`)}</nav>
      <${Stands} stands=${stands} error=${refused ?? projects.error ?? list.error} />
      <${IconButton} icon="sun" label="Dark or light" act=${theme.flip} />
      <button type="button" class="icon" title="Keys" aria-label="Keys" onClick=${() => setHelping(true)}>?</button>
    </header>
    <main class="view"><${View} view=${view} projects=${projects} refused=${refused} ...${shared} /></main>
    <${Help} open=${helping} close=${() => setHelping(false)} />
    <${Notice} />`;
}

// While names are read again, the columns stay; before they are read, those of the rows have one.
function useSteady(projectId, names, rows = []) {
  const last = useRef({});
  if (names) last.current = { projectId, names };
  if (last.current.projectId === projectId) return last.current.names;
  return [...new Set(rows.flatMap((thread) => (thread.feedback_scores ?? []).map(({ name }) => name)))].sort();
}

function View({ view, projects, refused, ...shared }) {
  if (view === "settings") return html`<${Later} key="settings" load=${() => import("./settings.js")}
    name="Settings" />`;
  if (refused) return html`<${Failed} error=${refused} />`;
  if (!shared.projectId) {
    if (projects.error) return html`<${Failed} error=${projects.error} retry=${projects.reload} />`;
    return projects.value ? html`<${NoProject} />` : html`<${Loading} what="projects" />`;
  }
  if (view === "overview") return html`<${Later} key="overview" load=${() => import("./overview.js")}
    name="Overview" ...${shared} />`;
  if (view === "rules") return html`<${Later} key="rules" load=${() => import("./rules.js")} name="Rules" ...${shared} />`;
  return html`<${Panes} ...${shared} />`;
}

function Panes({ address, projectId, list, scoreNames, regime, heard }) {
  if (address.trace) {
    return html`<${Later} load=${() => import("./trace.js")} name="Trace" key=${address.trace} address=${address}
      projectId=${projectId} traceId=${address.trace}
      scoreNames=${scoreNames} />`;
  }
  return html`
    <div class=${address.thread ? "panes reading" : "panes"}>
      <${Threads} address=${address} list=${list} scoreNames=${scoreNames} compact=${Boolean(address.thread)} />
      ${address.thread && html`<${Conversation} key=${address.thread} projectId=${projectId}
        threadId=${address.thread} regime=${regime}
        scoreNames=${scoreNames} heard=${heard} />`}
    </div>`;
}

// A view whose module is fetched when it is first wanted.
function Later({ load, name, ...given }) {
  const [found, set] = useState({});
  useEffect(() => {
    load().then((module) => set({ view: module[name] }), () => set({ failed: true }));
  }, [name]);
  if (found.failed) return html`<${Failed}
    error=${new Error("This part of the page could not be fetched. Reload the page.")} />`;
  return found.view ? html`<${found.view} ...${given} />` : html`<${Loading} what=${name.toLowerCase()} />`;
}

function Stands({ stands, error }) {
  const [kind, text] = error?.refuses ? ["", "No access"] : error ? ["off", "Trying again"]
    : stands === null ? ["", "Connecting"]
      : stands ? ["on", "Live"] : ["off", "Reconnecting"];
  return html`<p class="live ${kind}" role="status" title=${error?.message}><span class="pulse"
    aria-hidden="true"></span>${text}</p>`;
}

function Help({ open, close }) {
  const node = useRef();
  useEffect(() => { if (open) node.current.showModal(); }, [open]);
  return html`
    <dialog ref=${node} class="help" onClose=${close} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl>${KEYS.map(([key, meaning]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${meaning}</dd></div>`)}</dl>
      <form method="dialog"><button class="action strong">Close</button></form>
    </dialog>`;
}

render(html`<${Page} />`, document.getElementById("page"));
