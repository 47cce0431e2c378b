// What people write into fields, and what becomes of it.

/** The parts of `a, b`. */
export function list(text) {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

/** The pairs of `key=value, key=value`. */
export function pairs(text) {
  return list(text).map((part) => {
    const at = part.indexOf("=");
    if (at < 1) throw new Error(`“${part}” is not of the form key=value`);
    return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  });
}

/** What is in the field of that name. */
export function value(form, name) {
  return form.elements.namedItem(name).value.trim();
}

/** Copies a template of the page. Its parts are found by `data-part`. */
export function copy(id) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of element.querySelectorAll("[data-part]")) parts[part.dataset.part] = part;
  return { element, parts };
}

/** Says something to whoever listens to the page instead of looking at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}
