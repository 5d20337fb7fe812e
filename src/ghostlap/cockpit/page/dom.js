// Small helpers for the document.

export const byId = (id) => document.getElementById(id);

/** Set a text only where it differs: 15 states a second touch hardly anything. */
export function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Make an element; properties that begin with "on" are listeners, "aria" and "data" attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** One of the page's own icons. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Fill a select with values, of which one may be what it shows; no change where nothing changed. */
export function fillSelect(select, options, value) {
  const wanted = options.map(([key, label]) => `${key}\t${label}`).join("\n");
  if (select.dataset.filled !== wanted) {
    select.replaceChildren(...options.map(([key, label]) => new Option(label, key)));
    select.dataset.filled = wanted;
  }
  if (value !== undefined && select.value !== value && document.activeElement !== select) {
    select.value = value;
  }
}

/** Whether keys belong to what has the focus: text is typed, or a choice is made there. */
export function takesKeys(element) {
  return element instanceof Element && element.closest("input, select, textarea, [contenteditable]");
}

/** Ask; a promise of whether the answer was yes. */
export function confirmed(question, yes) {
  const dialog = byId("confirm");
  setText("confirm-text", question);
  setText("confirm-yes", yes);
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** JSON from the server; an Error with the server's own words where it refuses. */
export async function fetchJson(url, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    throw new Error(content.error ?? content.detail ?? `The server refused (${answer.status}).`);
  }
  return content;
}
