// Spans as a tree, without drawing: rows in the order in which they are read, and where each lies in time.

// Spans whose parent is not there stand below the trace itself. Children come in the order in which they began.
export function treeOf(spans) {
  const byId = new Map(spans.map((span) => [span.id, { span, children: [] }]));
  const parentOf = (node) => byId.get(node.span.parent_span_id);
  const cut = circlesIn(byId.values(), parentOf);
  const roots = [];
  for (const node of byId.values()) (cut.has(node) ? roots : parentOf(node)?.children ?? roots).push(node);
  for (const node of byId.values()) node.children.sort(byBeginning);
  return roots.sort(byBeginning);
}

const byBeginning = ({ span: one }, { span: other }) => (one.start_time < other.start_time ? -1 : Number(one.start_time > other.start_time));

// A span may name one of its own descendants as its parent: of each such circle one node, where it is cut.
function circlesIn(nodes, parentOf) {
  const cut = new Set();
  const settled = new Set();
  for (const node of nodes) {
    const path = new Set();
    let at = node;
    for (; at && !settled.has(at) && !path.has(at); at = parentOf(at)) path.add(at);
    if (at && path.has(at)) cut.add(at);
    for (const passed of path) settled.add(passed);
  }
  return cut;
}

// The rows that show, `closed` being the ids whose children do not.
export function rowsOf(roots, closed) {
  const rows = [];
  const left = roots.map((node) => ({ node, depth: 1 })).reverse();
  while (left.length) {
    const { node, depth } = left.pop();
    rows.push({ span: node.span, depth, isParent: node.children.length > 0 });
    if (!closed.has(node.span.id)) {
      for (let at = node.children.length - 1; at >= 0; at -= 1) left.push({ node: node.children[at], depth: depth + 1 });
    }
  }
  return rows;
}

// From the first beginning to the last end, in milliseconds since 1970.
export function extentOf(trace, spans) {
  const begin = spans.reduce((least, span) => Math.min(least, Date.parse(span.start_time)), Date.parse(trace.start_time));
  const endOf = (one) => Date.parse(one.end_time ?? one.start_time);
  const end = spans.reduce((most, span) => Math.max(most, endOf(span)), endOf(trace));
  return { begin, end, length: Math.max(end - begin, 1) };
}

// Where a span lies in the extent, as shares of its length.
export function barOf(span, extent) {
  const from = (Date.parse(span.start_time) - extent.begin) / extent.length;
  const to = span.end_time ? (Date.parse(span.end_time) - extent.begin) / extent.length : from;
  return { left: Math.min(Math.max(from, 0), 1), width: Math.max(Math.min(to, 1) - from, 0) };
}
