// Which project is shown: that of the address, else the one that was looked at last, else the one that was used last.

import { go } from "./address.js";
import { workspace } from "./identity.js";
import { html, useEffect } from "./library.js";
import { oneLine } from "./text.js";

const place = () => `threadline.project.${workspace()}`;
const lookedAt = () => localStorage.getItem(place()) ?? undefined;

// `known` are the projects, the last used first; undefined while nobody has said. Until then the one that was looked at
// last is believed to be there still, so that its threads are asked for at once. The address then names what is shown:
// a link shows the same, and a project that is used meanwhile does not take its place.
export function useProject(address, known) {
  const isThere = (id) => known === undefined || known.some((project) => project.id === id);
  const id = address.project ?? [lookedAt()].find((last) => last && isThere(last)) ?? known?.[0]?.id;
  useEffect(() => {
    if (!id || !known?.some((project) => project.id === id)) return;
    localStorage.setItem(place(), id);
    if (!address.project) go({ project: id }, { replace: true });
  }, [id, known, address.project]);
  return id;
}

export const ProjectChoice = ({ projects, projectId }) => projects.length > 0 && html`
  <label class="project"><span class="unseen">Project</span>
    <select value=${projectId}
      onChange=${(event) => go({ project: event.target.value, thread: null, trace: null, span: null, page: null, until: null })}>
      ${!projects.some(({ id }) => id === projectId) && html`<option value=${projectId}>Another project</option>`}
      ${projects.map(({ id, name }) => html`<option key=${id} value=${id}>${oneLine(name, 80)}</option>`)}
    </select></label>`;
