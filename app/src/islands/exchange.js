// Exchanges the page's content in place. What a person opened, typed or is about to do stays as it is.

// The revision that the person was looking at, once it was replaced under their eyes.
let replaced = false;

const seen = (root) => root.querySelector("form.approve input[name=revision]")?.value;

// Fields keep what was typed, details stay open or closed.
const keep = (name, node) =>
  (name === "open" && node.localName === "details") ||
  ((name === "value" || name === "checked") && node.type !== "hidden" && node.form?.matches("[data-keep], .filters, .tools"));

export async function exchange(idiomorph, html) {
  const { Idiomorph } = await import(idiomorph);
  const next = new DOMParser().parseFromString(html, "text/html");
  const [main, fresh] = [document.querySelector("main"), next.querySelector("main")];
  if (!main || !fresh) return false;
  const before = seen(main);
  replaced ||= before !== undefined && seen(fresh) !== undefined && seen(fresh) !== before;
  const options = { ignoreActiveValue: true, callbacks: { beforeAttributeUpdated: (name, node) => !keep(name, node) } };
  Idiomorph.morph(main, fresh, options);
  const [nav, newNav] = [document.querySelector(".nav"), next.querySelector(".nav")];
  if (nav && newNav) Idiomorph.morph(nav, newNav);
  document.title = next.title;
  lookAgain();
  return true;
}

// Nobody approves what they have not seen: after the revision changed, the button waits for a second look.
function lookAgain() {
  const note = document.querySelector("[data-look-again]");
  const button = document.querySelector("form.approve > .primary");
  if (!note || !button) return;
  note.hidden = !replaced;
  button.disabled = replaced;
  note.querySelector("button").onclick = () => {
    replaced = false;
    lookAgain();
    button.focus();
  };
}
