// Writes show at once: a change is laid over what storage says until storage says the same, or the write failed.

import { useEffect, useRef, useState } from "./library.js";
import { notice } from "./notice.js";

const LOOK_MS = 400;
const GIVE_UP_MS = 15_000;

// `stored` is an entity as read, `reload` reads it again. Returns what to show, how to change it, and how many changes
// are not confirmed yet. A change is { about, write, apply, holds, failed }: `about` names what it changes, and only the
// latest of a name counts; `write` calls the API, `apply` returns the entity as it will be, `holds` tells whether a
// stored entity has it, `failed` begins the sentence that says it went wrong.
export function usePending(stored, reload) {
  const [changes, set] = useState([]);
  const latest = useRef(stored);
  latest.current = stored;

  useEffect(() => {
    if (!changes.length || !stored) return;
    const left = changes.filter((change) => !change.accepted || !change.holds(stored));
    if (left.length !== changes.length) set(left);
  }, [stored, changes]);

  const waits = changes.some((change) => change.accepted);
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setInterval(reload, LOOK_MS);
    return () => clearInterval(timer);
  }, [waits, reload]);

  const drop = (change) => set((all) => all.filter((other) => other.mark !== change.mark));
  async function change(wanted) {
    const mine = { ...wanted, mark: Symbol("change") };
    set((all) => [...all.filter((other) => other.about !== wanted.about), mine]);
    try {
      await wanted.write();
    } catch (error) {
      drop(mine);
      notice(`${wanted.failed} ${error.message}`);
      return false;
    }
    set((all) => all.map((other) => (other.mark === mine.mark ? { ...other, accepted: true } : other)));
    setTimeout(() => drop(mine), GIVE_UP_MS); // accepted all the same: from then on storage is believed
    return true;
  }

  const shown = stored && changes.reduce((entity, each) => each.apply(entity), stored);
  return { shown, change, unconfirmed: changes.length };
}
