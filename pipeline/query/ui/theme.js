// Dark or light: as the system says, until a person says otherwise.

const KEY = "threadline.theme";
const root = document.documentElement;

const isDark = () => root.dataset.theme === "dark"
  || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

export function flip() {
  root.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, root.dataset.theme);
}

const kept = localStorage.getItem(KEY);
if (kept === "dark" || kept === "light") root.dataset.theme = kept;
