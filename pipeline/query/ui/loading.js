// Reading from the API into a view: what came last stays until something newer is there, and what fails for a while is
// tried again.

import { useCallback, useEffect, useRef, useState } from "./library.js";

const AGAIN_MS = 3000;

// `read(signal)` returns what `deps` ask for. Gives { value, error, loading, reload }; `value` is of these deps only.
export function useLoad(read, deps) {
  const [state, set] = useState({ value: undefined, error: null, loading: true });
  const round = useRef(null);
  const seen = useRef(null);
  const reload = useCallback(async () => {
    round.current?.abort();
    const mine = (round.current = new AbortController());
    try {
      const value = await read(mine.signal);
      if (mine.signal.aborted) return undefined;
      // What has not changed is not drawn again.
      const text = JSON.stringify(value);
      if (text !== seen.current) set({ value, error: null, loading: false });
      else set((before) => (before.error || before.loading ? { ...before, error: null, loading: false } : before));
      seen.current = text;
      return value;
    } catch (error) {
      if (error.name === "AbortError" || mine.signal.aborted) return undefined;
      set((before) => ({ ...before, error, loading: false }));
      return undefined;
    }
  }, deps);
  useEffect(() => {
    seen.current = null;
    set({ value: undefined, error: null, loading: true });
    reload();
    return () => round.current?.abort();
  }, [reload]);
  useEffect(() => {
    if (!state.error?.passes) return undefined;
    const timer = setTimeout(reload, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [state.error, reload]);
  return { ...state, reload };
}

// Calls `act` every so often while the tab is looked at, and when it is looked at again.
export function useWhileVisible(act, everyMs) {
  const current = useRef(act);
  current.current = act;
  useEffect(() => {
    if (!everyMs) return undefined;
    const look = () => { if (!document.hidden) current.current(); };
    const timer = setInterval(look, everyMs);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [everyMs]);
}
