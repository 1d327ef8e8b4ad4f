// Where a person is, kept in the address behind `#`, so that a link shows the same and "back" goes back.

import { useEffect, useState } from "./library.js";

export const read = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

// The address with `change` applied; null and "" take a part away.
export function link(change) {
  const parts = { ...read(), ...change };
  const kept = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#${new URLSearchParams(kept)}`;
}

export function go(change, { replace = false } = {}) {
  const target = link(change);
  if (target === location.hash) return;
  if (!replace) {
    location.hash = target;
    return;
  }
  history.replaceState(null, "", target);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useAddress() {
  const [address, set] = useState(read);
  useEffect(() => {
    const renew = () => set(read());
    addEventListener("hashchange", renew);
    return () => removeEventListener("hashchange", renew);
  }, []);
  return address;
}
