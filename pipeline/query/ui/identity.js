// Who asks: the workspace and the API key, kept in this tab only and gone with it.

const KEY = "threadline.key";
const WORKSPACE = "threadline.workspace";

export const apiKey = () => sessionStorage.getItem(KEY) ?? "";
export const workspace = () =>
  sessionStorage.getItem(WORKSPACE) ?? new URLSearchParams(location.search).get("workspace") ?? "";

export function become(key, name) {
  keep(KEY, key);
  keep(WORKSPACE, name);
}

export function headers() {
  const made = {};
  if (apiKey()) made.Authorization = apiKey();
  if (workspace()) made["Comet-Workspace"] = workspace();
  return made;
}

function keep(name, value) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
}
