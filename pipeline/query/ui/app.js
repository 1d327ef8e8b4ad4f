// The page: which project and thread are open (kept in the URL), and the refresh while the tab is visible.

import * as api from "./api.js";
import { Conversation } from "./conversation.js";
import { element } from "./elements.js";
import { number } from "./format.js";
import * as states from "./states.js";
import { ThreadList } from "./threads.js";

const REFRESH_MS = 1500;
const PROJECTS_REFRESH_MS = 10_000;
const PAGE_THREADS = 50;
const PAGE_TURNS = 200;
const NOTICE_MS = 6000;

const at = (id) => document.getElementById(id);
const view = { project: null, thread: null, size: PAGE_THREADS, search: "" };
let round = new AbortController();
let timer = null;
let projectsAt = 0;

const list = new ThreadList(at("threads"), (id) => go({ thread: id }));
const talk = new Conversation(at("talk"), { notice, changed: refreshNow, close: () => go({ thread: null }) });

function go(change) {
  const next = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(change)) value === null ? next.delete(name) : next.set(name, value);
  location.hash = next.toString();
}

function read() {
  const from = new URLSearchParams(location.hash.slice(1));
  const thread = from.get("thread");
  const project = from.get("project") ?? view.project;
  if (project !== view.project) Object.assign(view, { project, size: PAGE_THREADS });
  if (thread !== view.thread || !talk.last) {
    view.thread = thread;
    talk.last = null;
    talk.begin();
    if (!thread) talk.clear(states.choose());
    else talk.clear(states.loading("the conversation"));
  }
  list.select(thread);
  at("panes").classList.toggle("reading", Boolean(thread));
  refreshNow();
}

async function refresh(signal) {
  if (performance.now() - projectsAt > PROJECTS_REFRESH_MS || !view.project) await refreshProjects();
  if (!view.project) return emptyList(states.noProject());
  const [page] = await Promise.all([refreshList(signal), view.thread ? refreshTalk(signal) : null]);
  return page;
}

async function refreshProjects() {
  const { content } = await api.projects();
  projectsAt = content.length ? performance.now() : 0;
  const select = at("project");
  const known = content.map((project) => project.id).join();
  if (select.dataset.known !== known) {
    select.replaceChildren(...content.map(({ id, name }) => element("option", { text: name, attributes: { value: id } })));
    select.dataset.known = known;
    select.disabled = content.length === 0;
  }
  if (!content.some((project) => project.id === view.project)) view.project = content[0]?.id ?? null;
  if (view.project) select.value = view.project;
}

async function refreshList(signal) {
  const page = await api.threads(view.project, { size: view.size, search: view.search, signal });
  if (!page.content.length) return emptyList(states.noThread(view.search));
  at("list-state").hidden = true;
  at("count").textContent = number(page.total);
  at("more").hidden = page.total <= page.content.length;
  list.show(page.content, view.thread);
  return page;
}

function emptyList(state) {
  list.show([], null);
  at("count").textContent = "";
  at("more").hidden = true;
  at("list-state").hidden = false;
  at("list-state").replaceChildren(state);
}

async function refreshTalk(signal) {
  const wanted = view.thread;
  const [thread, turns] = await Promise.all([
    api.thread(view.project, wanted, signal).catch((error) => {
      if (error.name === "AbortError" || !error.message.startsWith("Thread not found")) throw error;
      return null;
    }),
    api.turns(view.project, wanted, { size: PAGE_TURNS, signal }),
  ]);
  if (wanted !== view.thread) return;
  if (!thread) return talk.clear(states.gone());
  if (!talk.last) talk.begin();
  talk.confirm(turns);
  talk.show(view.project, thread, turns);
}

async function tick() {
  clearTimeout(timer);
  if (document.hidden) return;
  const mine = (round = new AbortController());
  try {
    await refresh(mine.signal);
    live("Live", "on");
  } catch (error) {
    if (error.name === "AbortError") return;
    live("Trying again", "off");
    if (!list.rows.size) emptyList(states.failed(error.message));
    else notice(error.message);
  }
  if (mine === round) timer = setTimeout(tick, REFRESH_MS);
}

function refreshNow() {
  round.abort();
  tick();
}

function live(text, kind) {
  at("live").className = `live ${kind}`;
  const label = at("live").lastElementChild;
  if (label.textContent !== text) label.textContent = text;
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { at("notice").hidden = true; }, NOTICE_MS);
}

at("project").addEventListener("change", (event) => go({ project: event.target.value, thread: null }));
at("search").addEventListener("input", (event) => { view.search = event.target.value.trim(); refreshNow(); });
at("more").addEventListener("click", () => { view.size = Math.min(view.size + PAGE_THREADS, 2000); refreshNow(); });
addEventListener("hashchange", read);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshNow(); });

emptyList(states.loading("threads"));
read();
