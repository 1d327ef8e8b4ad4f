// Reading from the API into a view: what came last stays until something newer is there, and what fails for a while is
// tried again.

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "./library.js";

const AGAIN_MS = 3000;
const NOTHING = { value: undefined, error: null, loading: true };

// `read(signal)` returns what `deps` ask for. Gives { value, error, loading, reload }; `value` is of these deps only.
// A reload during a reading is one more reading after it: however often it is asked for, readings come to their end.
export function useLoad(read, deps) {
  const [state, set] = useState(NOTHING);
  const reading = useRef(null);
  const seen = useRef(null);
  const again = useCallback(() => {
    if (reading.current) {
      reading.current.again = true;
      return reading.current.done;
    }
    const mine = (reading.current = { leaving: new AbortController(), again: true, done: null });
    mine.done = readOn(mine);
    return mine.done;
  }, deps);
  // Whoever kept it from before the deps changed reads what is asked for now.
  const newest = useRef(again);
  newest.current = again;
  const reload = useCallback(() => newest.current(), []);
  // What has not changed is not drawn again.
  function tell(news) {
    const text = "value" in news ? JSON.stringify(news.value) : seen.current;
    const isSame = text === seen.current;
    seen.current = text;
    set((before) => {
      if (before.of !== again) return { ...NOTHING, ...news, of: again };
      if (isSame && before.error === news.error && !before.loading) return before;
      return { ...before, ...news, value: isSame ? before.value : news.value };
    });
  }
  // Returns what was read last; nothing where it failed or is not wanted any more.
  async function readOn(mine) {
    const { signal } = mine.leaving;
    let value;
    while (mine.again && !signal.aborted) {
      mine.again = false;
      try {
        value = await read(signal);
        if (!signal.aborted) tell({ value, error: null, loading: false });
      } catch (error) {
        value = undefined;
        if (!signal.aborted) tell({ error, loading: false });
      }
    }
    if (reading.current === mine) reading.current = null;
    return value;
  }
  // The request leaves before anything is painted.
  useLayoutEffect(() => {
    seen.current = null;
    again();
    return () => {
      reading.current?.leaving.abort();
      reading.current = null;
    };
  }, [again]);
  useEffect(() => {
    if (state.of !== again || !state.error?.passes) return undefined;
    const timer = setTimeout(reload, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [state.error, again]);
  const current = state.of === again ? state : NOTHING;
  return { value: current.value, error: current.error, loading: current.loading, reload };
}

// Draws again every so often, for what says how long ago something was.
export function useTicks(everyMs) {
  const [, set] = useState(0);
  useWhileVisible(() => set((count) => count + 1), everyMs);
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
