// Tags and comments of a trace or thread: shown, added, changed and taken away.

import { html, useState } from "./library.js";
import { Icon, IconButton } from "./icons.js";
import { ago } from "./format.js";
import { Writes, may } from "./rights.js";
import { oneLine, plain } from "./text.js";

export const TagChip = ({ tag, remove }) => html`
  <span class="tag">${oneLine(tag, 60)}
    ${remove && html`<button type="button" class="chip-remove" aria-label="Remove the tag ${tag}"
      title="Remove this tag"
      onClick=${() => remove(tag)}><${Icon} name="close" /></button>`}</span>`;

export function Tags({ tags = [], add, remove, right }) {
  const [draft, set] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const tag = draft.trim();
    if (tag && !tags.includes(tag)) add(tag);
    set("");
  };
  return html`
    <div class="tags">
      ${tags.map((tag) => html`<${TagChip} key=${tag} tag=${tag} remove=${remove} />`)}
      <form class="tag-form" onSubmit=${submit}><${Writes} right=${right}>
        <input aria-label="Add a tag" placeholder="Add a tag" value=${draft}
          onInput=${(event) => set(event.target.value)} />
      </${Writes}></form>
    </div>`;
}

// `tell` is what the API is told: { tags_to_add } or { tags_to_remove }; `right` is what that asks for.
export const tagging = (change, tell, right) => ({
  right,
  add: (tag) => change({
    about: `tag ${tag}`,
    write: () => tell({ tags_to_add: [tag] }),
    apply: (entity) => ({ ...entity, tags: [...(entity.tags ?? []).filter((other) => other !== tag), tag] }),
    holds: (entity) => Boolean(entity.tags?.includes(tag)),
    failed: "The tag was not added.",
  }),
  remove: may(right) && ((tag) => change({
    about: `tag ${tag}`,
    write: () => tell({ tags_to_remove: [tag] }),
    apply: (entity) => ({ ...entity, tags: (entity.tags ?? []).filter((other) => other !== tag) }),
    holds: (entity) => !entity.tags?.includes(tag),
    failed: "The tag was not removed.",
  })),
});

export function Comments({ comments = [], add, edit, remove }) {
  const [draft, set] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (draft.trim()) add(draft.trim());
    set("");
  };
  return html`
    ${comments.length > 0 && html`<ul class="plain comments">${comments.map((comment) => html`
      <${Comment} key=${comment.id} comment=${comment} edit=${edit} remove=${remove} />`)}</ul>`}
    <form class="comment-form" onSubmit=${submit}><${Writes}>
      <textarea rows="2" aria-label="Add a comment" placeholder="Add a comment" value=${draft}
        onInput=${(event) => set(event.target.value)} onKeyDown=${submitOnControlEnter}></textarea>
      <button type="submit" class="action" disabled=${!draft.trim()}>Comment</button>
    </${Writes}></form>`;
}

function Comment({ comment, edit, remove }) {
  const [draft, set] = useState(null);
  const submit = (event) => {
    event.preventDefault();
    if (draft.trim() && draft.trim() !== comment.text) edit(comment, draft.trim());
    set(null);
  };
  if (draft !== null) {
    return html`<li><form class="comment-form" onSubmit=${submit}>
      <textarea rows="3" aria-label="Change the comment" value=${draft} onInput=${(event) => set(event.target.value)}
        onKeyDown=${submitOnControlEnter}></textarea>
      <div class="form-foot"><button type="button" class="action" onClick=${() => set(null)}>Cancel</button>
        <button type="submit" class="action strong">Save</button></div></form></li>`;
  }
  return html`
    <li class="comment">
      <p dir="auto">${plain(comment.text)}</p>
      <div class="comment-foot"><small>${comment.isNew ? "saving" : ago(comment.last_updated_at)}</small>
        ${!comment.isNew && may("annotate") && html`
          <${IconButton} icon="edit" label="Change this comment" act=${() => set(comment.text)} />
          <${IconButton} icon="bin" label="Delete this comment" act=${() => remove(comment)} />`}</div>
    </li>`;
}

const submitOnControlEnter = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
};

// `calls` are the three of the API: add(text), edit(id, text), remove(id).
export function commenting(change, calls, known) {
  const replaced = (entity, id, comment) => (entity.comments ?? []).flatMap((other) => (other.id !== id ? [other] : comment ? [comment] : []));
  return {
    add: (text) => {
      const before = new Set((known() ?? []).map((comment) => comment.id));
      return change({
        about: `new comment ${text}`,
        write: () => calls.add(text),
        apply: (entity) => ({ ...entity, comments: [...(entity.comments ?? []), { id: `new-${text}`, text, isNew: true }] }),
        holds: (entity) => Boolean(entity.comments?.some((comment) => comment.text === text && !before.has(comment.id))),
        failed: "The comment was not saved.",
      });
    },
    edit: (comment, text) => change({
      about: `comment ${comment.id}`,
      write: () => calls.edit(comment.id, text),
      apply: (entity) => ({ ...entity, comments: replaced(entity, comment.id, { ...comment, text }) }),
      holds: (entity) => Boolean(entity.comments?.some((other) => other.id === comment.id && other.text === text)),
      failed: "The comment was not changed.",
    }),
    remove: (comment) => change({
      about: `comment ${comment.id}`,
      write: () => calls.remove(comment.id),
      apply: (entity) => ({ ...entity, comments: replaced(entity, comment.id, null) }),
      holds: (entity) => !entity.comments?.some((other) => other.id === comment.id),
      failed: "The comment was not deleted.",
    }),
  };
}
