"use strict";
// The network of this page, executed in plain float64, and the manners of tables and drawings. Nothing is fetched.
(() => {
  // --- arrays ---------------------------------------------------------------------------------------------------
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  const values = (type, text) => (type === "f4" ? new Float32Array(bytes(text)) : new Float64Array(bytes(text)));

  function matrix(stored) {
    const [rows, columns] = stored.shape;
    const flat = new Float64Array(rows * columns);
    const data = values(stored.type, stored.data);
    if (stored.at) new Uint32Array(bytes(stored.at)).forEach((place, n) => { flat[place] = data[n]; });
    else flat.set(data);
    return Array.from({ length: rows }, (_, row) => flat.subarray(row * columns, (row + 1) * columns));
  }

  const ARRAYS = ["weight", "table", "tokens", "positions"], VECTORS = ["bias", "gain", "means"];
  function unpacked(part) {
    if (Array.isArray(part)) return part.map(unpacked);
    if (part === null || typeof part !== "object") return part;
    const found = {};
    for (const [name, value] of Object.entries(part)) {
      if (value && ARRAYS.includes(name)) found[name] = matrix(value);
      else if (value && VECTORS.includes(name)) found[name] = matrix(value)[0];
      else found[name] = unpacked(value);
    }
    return found;
  }

  // --- steps: a stream is a list of rows ------------------------------------------------------------------------
  const zip = (a, b, f) => Float64Array.from(a, (value, n) => f(value, b[n]));
  const dot = (a, b) => { let sum = 0; for (let n = 0; n < a.length; n++) sum += a[n] * b[n]; return sum; };
  const mean = (row) => row.reduce((sum, value) => sum + value, 0) / row.length;

  function erf(x) { // the series of A&S 7.1.6, whose terms all have one sign
    if (Math.abs(x) > 6) return Math.sign(x);
    let term = x, sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) { term *= (2 * x * x) / (2 * n + 1); sum += term; }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }

  const ACTIVATIONS = {
    relu: (x) => (x >= 0 ? x : 0),
    leaky_relu: (x, slope) => (x >= 0 ? x : slope * x),
    silu: (x) => x / (1 + Math.exp(-x)),
    tanh: (x) => Math.tanh(x),
    sigmoid: (x) => 1 / (1 + Math.exp(-x)),
    gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
    gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
  };

  function normed(step, row, start) { // one group of columns, which begins at start
    const middle = step.of === "layer" ? mean(row) : 0;
    const moved = row.map((value) => value - middle);
    const size = Math.sqrt(mean(moved.map((value) => value * value)) + step.eps);
    return moved.map((value, n) => (value / size) * step.gain[start + n] + (step.bias ? step.bias[start + n] : 0));
  }

  const STEPS = {
    affine: (step, x) => x.map((row) => Float64Array.from(step.weight, (w, n) => dot(w, row) + (step.bias ? step.bias[n] : 0))),
    norm: (step, x) => x.map((whole) => {
      const size = whole.length / (step.groups || 1), found = new Float64Array(whole.length);
      for (let start = 0; start < whole.length; start += size) found.set(normed(step, whole.subarray(start, start + size), start), start);
      return found;
    }),
    activation: (step, x) => x.map((row) => row.map((value) => ACTIVATIONS[step.of](value, step.slope))),
    abs_top_k: (step, x) => x.map((row) => {
      const order = Array.from(row.keys()).sort((a, b) => Math.abs(row[b]) - Math.abs(row[a]) || a - b);
      const kept = new Float64Array(row.length);
      for (const place of order.slice(0, step.count)) kept[place] = row[place];
      return kept;
    }),
    mask: (step, x) => x.map((row) => row.map((value, n) => (step.kept[n] ? value : step.means[n]))),
    residual: (step, x, ids, seen) => run(step.steps, x, ids, seen).map((row, n) => zip(x[n], row, (a, b) => a + b)),
    product: (step, x, ids, seen) => {
      const right = run(step.right, x, ids, seen);
      return run(step.left, x, ids, seen).map((row, n) => zip(row, right[n], (a, b) => a * b));
    },
    lookup: (step, x, ids) => x.map((row, n) => zip(row, step.table[ids[n]], (a, b) => a + b)),
    pool: (step, x) => {
      if (step.of === "last") return [x[x.length - 1]];
      if (step.of === "first") return [x[0]];
      if (step.of === "concat") return [Float64Array.from(x.flatMap((row) => Array.from(row)))];
      const sum = x.reduce((a, b) => zip(a, b, (p, q) => p + q));
      return [step.of === "mean" ? sum.map((value) => value / x.length) : sum];
    },
    attention: (step, x, ids, seen) => {
      const parts = {};
      for (const role of ["query", "key", "value"]) parts[role] = run(step[role], x, ids, seen);
      const width = parts.value[0].length, size = width / step.heads, depth = parts.query[0].length / step.heads;
      const y = x.map(() => new Float64Array(width)), patterns = [];
      for (let head = 0; head < step.heads; head++) {
        const cut = (row) => row.subarray(head * depth, (head + 1) * depth);
        const pattern = x.map((_, i) => {
          const scores = x.map((_, j) => ((step.causal && j > i) || step.hidden.includes(ids[j])
            ? -Infinity : dot(cut(parts.query[i]), cut(parts.key[j])) * step.scale));
          return WEIGHTINGS[step.weighting](scores, step.sink ? step.sink[head] : null);
        });
        pattern.forEach((row, i) => row.forEach((share, j) => {
          if (share) for (let n = 0; n < size; n++) y[i][head * size + n] += share * parts.value[j][head * size + n];
        }));
        patterns.push(pattern);
      }
      seen.push(patterns);
      return y;
    },
  };

  const WEIGHTINGS = {
    softmax: (scores, sink) => {
      const top = Math.max(...scores, sink === null ? -Infinity : sink);
      const raised = scores.map((score) => Math.exp(score - top));
      const total = raised.reduce((a, b) => a + b, 0) + (sink === null ? 0 : Math.exp(sink - top));
      return raised.map((value) => value / total);
    },
    hard: (scores) => {
      const top = Math.max(...scores), count = scores.filter((score) => score === top).length;
      return scores.map((score) => (score === top ? 1 / count : 0));
    },
    sparsemax: (scores) => {
      const falling = scores.filter((score) => score > -Infinity).sort((a, b) => b - a);
      let sum = 0, support = 0, above = 0;
      falling.forEach((score, n) => { sum += score; if (1 + (n + 1) * score > sum) { support = n + 1; above = sum; } });
      const tau = (above - 1) / support;
      return scores.map((score) => Math.max(score - tau, 0));
    },
  };

  function run(steps, x, ids, seen) {
    for (const step of steps) x = STEPS[step.kind](step, x, ids, seen);
    return x;
  }

  // Logits of a prompt's rows, and the pattern of every head: [attention][head][query][key].
  function forward(network, ids) {
    const seen = [];
    const x = ids.map((id, n) => (network.positions ? zip(network.tokens[id], network.positions[n], (a, b) => a + b)
      : Float64Array.from(network.tokens[id])));
    return { logits: run(network.steps, x, ids, seen).map((row) => Array.from(row)), patterns: seen };
  }

  function fraction(x, most) { // the nearest one with a denominator of at most this
    let best = [Math.round(x), 1];
    for (let part = 2; part <= most; part++) {
      const count = Math.round(x * part);
      if (Math.abs(x - count / part) < Math.abs(x - best[0] / best[1])) best = [count, part];
    }
    return best[1] === 1 ? String(best[0] + 0) : best.join("/");
  }

  function answer(readout, logits) {
    const chosen = readout.columns.map((column) => logits[column]);
    if (readout.kind === "argmax") {
      const order = Array.from(chosen.keys()).sort((a, b) => chosen[b] - chosen[a]);
      return { label: readout.names[order[0]], margin: chosen[order[0]] - chosen[order[1]], chosen };
    }
    if (readout.kind === "set") {
      const inside = readout.names.filter((_, n) => chosen[n] > readout.threshold);
      const margin = Math.min(...chosen.map((value) => Math.abs(value - readout.threshold)));
      return { label: `{${inside.join(", ")}}`, margin, chosen };
    }
    return { label: fraction(chosen[0], readout.denominator), margin: null, chosen };
  }

  // --- the page -------------------------------------------------------------------------------------------------
  const byId = (id) => document.getElementById(id);
  const data = (id) => { const found = byId(id); return found ? JSON.parse(found.textContent) : null; };
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const short = (value) => (Math.abs(value) < 0.005 ? "" : value.toFixed(2).replace(/^0/, ""));
  function heat(share) { // white to violet, with whichever of black and white can be read on it
    const strength = Math.min(1, Math.max(0, share)), rgb = [175, 215, 105].map((part) => Math.round(255 - part * strength));
    const linear = rgb.map((part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    const bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    return { background: `rgb(${rgb.join(", ")})`, color: bright > 0.179 ? "#000" : "#fff" };
  }

  // The one row of n that a label is read from; null where rows are mixed, or each has a label of its own.
  function readRow(network, n) {
    const pool = network.steps.find((step) => step.kind === "pool");
    if (network.readout.position === "every") return null;
    if (!pool || pool.of === "last") return n - 1;
    return pool.of === "first" ? 0 : null;
  }

  function pattern(words, shares, title, read) {
    const table = element("table", { class: "pattern" }, element("caption", {}, title));
    table.append(element("thead", {}, element("tr", {}, element("th", { scope: "col", title: "a row attends to the columns" }, "↓ to →"), ...words.map((word) => element("th", { scope: "col" }, word)))));
    const body = element("tbody");
    shares.forEach((row, i) => body.append(element("tr", i === read ? { class: "read", title: "the row that is read" } : {},
      element("th", { scope: "row" }, words[i]),
      ...row.map((share, j) => {
        const cell = element("td", { title: `${words[i]} (${i + 1}) attends to ${words[j]} (${j + 1}): ${share.toFixed(4)}` }, short(share));
        Object.assign(cell.style, heat(share));
        return cell;
      }))));
    table.append(body);
    return table;
  }

  function most(words, shares, read) {
    if (read === null || read >= shares.length) return "no row is read alone";
    const row = shares[read], best = row.indexOf(Math.max(...row));
    return `position ${read + 1}, which is read, gives most to ${words[best]} (position ${best + 1}, ${row[best].toFixed(2)})`;
  }

  function drawAttention(words, patterns, steps, read) {
    const place = byId("patterns");
    place.replaceChildren();
    patterns.forEach((heads, layer) => heads.forEach((shares, head) => {
      if (steps && steps[layer].idle.includes(head)) return;
      const figure = element("div", { class: "head", tabindex: "0", role: "group", "aria-label": `attention ${layer}, head ${head}: ${most(words, shares, read)}` });
      figure.append(pattern(words, shares, `attention ${layer}, head ${head}`, read));
      place.append(figure);
    }));
    const idle = steps ? steps.reduce((sum, step) => sum + step.idle.length, 0) : 0;
    if (idle) place.append(element("p", { class: "note" }, `${idle === 1 ? "1 head keeps" : `${idle} heads keep`} no value, so what is attended to there changes nothing; not shown.`));
    if (!patterns.length) place.append(element("p", { class: "note" }, "This network has no attention."));
  }

  function drawAnswer(label, margin, names, chosen, known) {
    const place = byId("answer");
    place.replaceChildren(element("p", {}, "Its answer: ", element("strong", {}, String(label)), margin === null ? "" : `, by a margin of ${margin.toPrecision(4)}.`, known ? ` ${known}` : ""));
    const body = names.map((name, n) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, chosen[n].toFixed(4))));
    place.append(element("details", {}, element("summary", {}, "Logits that are read"), element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "logits" }, element("table", {}, element("caption", {}, "Logits that are read"), element("tbody", {}, ...body)))));
  }

  function attentions(steps) {
    return steps.flatMap((step) => (step.kind === "residual" ? attentions(step.steps) : step.kind === "attention" ? [step] : []));
  }

  function isOfDomain(network, letters) {
    if (!network.constraint) return true;
    let state = 0;
    for (const letter of letters) { state = network.constraint.transitions[state][letter]; if (state < 0) return false; }
    return network.constraint.accepting[state];
  }

  function typed(network, exceptions) {
    const field = byId("sequence"), said = byId("said"), steps = attentions(network.steps);
    const letters = network.alphabet.map((id) => network.vocabulary[id]);
    const parse = () => (field.value.trim() ? field.value.trim().split(/\s+/) : []);
    function show() {
      const words = parse(), strange = words.find((word) => !letters.includes(word));
      const around = network.prefix.length + network.suffix.length;
      const [least, most] = network.lengths;
      field.setAttribute("aria-invalid", "true");
      byId("answer").replaceChildren();
      byId("patterns").replaceChildren();
      if (strange !== undefined) { said.textContent = `“${strange}” is no token of a sequence; there are: ${letters.join(" ")}`; return; }
      if (words.length < least || words.length > most || words.length + around < 1) {
        said.textContent = `expected ${least} to ${most} tokens, got ${words.length}`; return;
      }
      field.removeAttribute("aria-invalid");
      const ids = [...network.prefix, ...words.map((word) => network.alphabet[letters.indexOf(word)]), ...network.suffix];
      const { logits, patterns } = forward(network, ids);
      const found = answer(network.readout, logits[logits.length - 1]);
      if (network.readout.position === "every") found.label = logits.slice(network.prefix.length).map((row) => answer(network.readout, row).label).join(" · ");
      const known = exceptions[words.join(" ")];
      const notes = known === undefined ? [] : [`This sequence is an exception: the program answers ${known}.`];
      if (!isOfDomain(network, words.map((word) => letters.indexOf(word)))) notes.push("It is none of the sequences that are asked about, so nothing is claimed of it.");
      else if (network.claimed && network.claimed[1] !== null && words.length > network.claimed[1]) notes.push(`Nothing is claimed of sequences longer than ${network.claimed[1]}.`);
      said.textContent = `${words.length} tokens`;
      drawAnswer(found.label, found.margin, network.readout.names, found.chosen, notes.join(" "));
      drawAttention(ids.map((id) => network.vocabulary[id]), patterns, steps, readRow(network, ids.length));
    }
    field.addEventListener("input", show);
    for (const button of document.querySelectorAll("[data-token]")) {
      button.addEventListener("click", () => { field.value = [...parse(), button.dataset.token].join(" "); show(); });
    }
    byId("shorter").addEventListener("click", () => { field.value = parse().slice(0, -1).join(" "); show(); });
    byId("empty").addEventListener("click", () => { field.value = ""; show(); });
    show();
  }

  function chosen(examples) {
    const field = byId("example");
    const show = () => {
      const one = examples.sequences[Number(field.value)];
      drawAnswer(one.label, one.margin, examples.names, one.logits, "");
      drawAttention(one.tokens, one.patterns, null, one.read);
    };
    field.addEventListener("change", show);
    show();
  }

  // --- tables that can be sorted ----------------------------------------------------------------------------------
  function sortable(table) {
    const heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = element("button", { type: "button" }, head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => { const cell = row.cells[column]; return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value); };
        const rows = Array.from(body.rows);
        rows.sort((a, b) => { const p = key(a), q = key(b); return (typeof p === "number" ? p - q : p.localeCompare(q, "en", { numeric: true })) * (up ? 1 : -1); });
        body.append(...rows);
      });
    });
  }

  // --- a drawing whose nodes can be looked at -----------------------------------------------------------------------
  function lookable(svg, panel) {
    const nodes = Array.from(svg.querySelectorAll(".node")), edges = Array.from(svg.querySelectorAll(".edge"));
    if (!nodes.length) return;
    const own = (node) => edges.filter((edge) => edge.dataset.from === node.dataset.node || edge.dataset.to === node.dataset.node);
    function look(node) {
      const mine = new Set(own(node));
      svg.classList.add("looking");
      edges.forEach((edge) => edge.classList.toggle("near", mine.has(edge)));
      nodes.forEach((other) => other.classList.toggle("near", other === node || Array.from(mine).some((edge) => [edge.dataset.from, edge.dataset.to].includes(other.dataset.node))));
      const lines = Array.from(mine, (edge) => element("li", {}, edge.querySelector("title").textContent));
      panel.replaceChildren(element("p", {}, element("strong", {}, node.querySelector("title").textContent)), element("ul", {}, ...lines));
    }
    function leave() { svg.classList.remove("looking"); }
    nodes.forEach((node, n) => {
      node.setAttribute("tabindex", n ? "-1" : "0");
      node.addEventListener("mouseenter", () => look(node));
      node.addEventListener("focus", () => look(node));
      node.addEventListener("mouseleave", leave);
      node.addEventListener("blur", leave);
      node.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const next = event.key === "Home" ? nodes[0] : event.key === "End" ? nodes[nodes.length - 1] : nodes[(n + (step || 0) + nodes.length) % nodes.length];
        if (next === node) return;
        event.preventDefault();
        node.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
  }

  function begin() {
    document.querySelectorAll("table.sortable").forEach(sortable);
    const svg = document.querySelector("svg.graph");
    if (svg) lookable(svg, byId("looked"));
    window.circuit = { unpacked, forward, answer };
    const stored = data("network"), examples = data("examples");
    if (stored) {
      const network = unpacked(stored);
      typed(network, data("exceptions-known") || {});
    } else if (examples && examples.sequences.length) chosen(examples);
    for (const button of document.querySelectorAll("[data-copies]")) {
      button.addEventListener("click", async () => {
        const text = byId(button.dataset.copies).textContent;
        try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(byId(button.dataset.copies)); button.textContent = "Selected"; }
      });
    }
  }
  begin();
})();
