// Text that a stranger wrote, made fit to stand in a line of ours.

// Marks that turn the direction of what follows can make a text look like another one: they are shown by name.
const OVERRIDES = {
  "\u202a": "LRE", "\u202b": "RLE", "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI", "\u2068": "FSI",
};
const OVERRIDE = /[\u202a\u202b\u202d\u202e\u2066-\u2068]/g;

export const plain = (text) => text.replace(OVERRIDE, (mark) => `[${OVERRIDES[mark]}]`);

export const oneLine = (text, most = 300) => plain(text.slice(0, most).replace(/\s+/g, " ").trim());

// What markdown says without its marks, for one line: fences, headings, quotes, lists, emphasis, links and images.
const MARKS = [
  [/^[ \t]*(```|~~~)[^\n]*$/gm, " "],
  [/^[ \t]*\|?[ \t]*:?-{2,}[-:| \t]*$/gm, " "],
  [/^[ \t]*(#{1,6}|>+|[-*+]|\d{1,3}[.)])[ \t]+/gm, ""],
  [/!?\[([^\][\n]{0,300})\]\([^()\s]{0,2000}\)/g, "$1"],
  [/(`+)([^`\n]+)\1/g, "$2"],
  [/(\*\*|__|~~)(?=\S)([^\n*_~]+)\1/g, "$2"],
  [/(?<![\w*])\*(?=\S)([^*\n]+)\*(?![\w*])/g, "$1"],
];
const SUMMARISED_CHARACTERS_MAX = 1200;

export const unmarked = (text) =>
  MARKS.reduce((left, [mark, meant]) => left.replace(mark, meant), text.slice(0, SUMMARISED_CHARACTERS_MAX));

export const pretty = (value) => JSON.stringify(value, null, 2);
