// Exchanges the page's content in place. What a person opened, typed, chose or is about to do stays as it is.

const offered = (root) => root.querySelector("form.approve input[name=revision]")?.value;

// The revision that the person has looked at. It stays theirs while the form is away, for a gate that failed, say.
let seen = offered(document);

// Forms whose fields are a person's own.
const OWN = "[data-keep], .filters, .tools";
const own = (node) => node.form?.matches(OWN);

const callbacks = {
  // Fields keep what was typed, choices what was chosen, details stay open or closed.
  beforeAttributeUpdated: (name, node) =>
    !(
      (name === "open" && node.localName === "details") ||
      (["value", "checked", "selected"].includes(name) && node.type !== "hidden" && own(node))
    ),
  // The text between a text area's tags is only what it began with.
  beforeNodeMorphed: (node) => !(node.localName === "textarea" && own(node)),
  beforeNodeRemoved(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return true;
    if (node.matches("[data-kept]")) return false;
    const typed = node.querySelector("[data-keep] :is(textarea, input[maxlength])")?.value.trim();
    if (typed) lament(node, typed);
    return true;
  },
};

// A form that is not offered any more takes nobody's words with it.
function lament(node, typed) {
  const words = document.createElement("p");
  words.className = "hint";
  words.dataset.kept = "";
  const quote = document.createElement("q");
  quote.textContent = typed;
  words.append("You had written: ", quote);
  (node.parentElement?.closest("[data-actions]") ?? document.querySelector("main")).append(words);
}

export async function exchange(idiomorph, html) {
  const { Idiomorph } = await import(idiomorph);
  const next = new DOMParser().parseFromString(html, "text/html");
  const [main, fresh] = [document.querySelector("main"), next.querySelector("main")];
  if (!main || !fresh) return false;
  Idiomorph.morph(main, fresh, { ignoreActiveValue: true, callbacks });
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
  seen ??= offered(document);
  const replaced = offered(document) !== seen;
  note.hidden = !replaced;
  button.disabled = replaced;
  note.querySelector("button").onclick = () => {
    seen = offered(document);
    lookAgain();
    button.focus();
  };
}
