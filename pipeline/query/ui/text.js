// Text that a stranger wrote, made fit to stand in a line of ours.

// Marks that turn the direction of what follows can make a text look like another one: they are shown by name.
const OVERRIDES = {
  "\u202a": "LRE", "\u202b": "RLE", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI", "\u2068": "FSI",
};
const OVERRIDE = /[\u202a\u202b\u202d\u202e\u2066-\u2068]/g;

export const plain = (text) => text.replace(OVERRIDE, (mark) => `[${OVERRIDES[mark]}]`);

export const oneLine = (text, most = 300) => plain(text.slice(0, most).replace(/\s+/g, " ").trim());

export const pretty = (value) => JSON.stringify(value, null, 2);
