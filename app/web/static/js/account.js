// The Account tab: the language, and what its parts need beyond what the server renders.

import { localise, whenThere } from "./dom.js";
import { offerLanguages, refreshMe } from "./header.js";

const SCOPES = ["read", "generate", "admin", "all"];

// Whoever is no longer signed in is led to the login by asking.
window.atelier.leave = () => void refreshMe();

export function startAccount() {
  whenThere("#account-language", offerLanguages);
  whenThere("#new-token-head", localise);
  whenThere("#token-scopes-head", nameScopes);
  for (const scope of SCOPES) whenThere(`#token-scope-${scope} .info-text`, tieHint);
  whenThere("#token-secret .secret", showSecret);
}

function nameScopes(head) {
  localise(head);
  const group = head.closest("#token-scopes");
  group.setAttribute("role", "group");
  group.setAttribute("aria-labelledby", "token-scopes-title");
  group.setAttribute("aria-describedby", "token-scopes-hint");
}

/** Nothing of Gradio's ties a checkbox to the sentence beneath it. */
function tieHint(hint) {
  const box = hint.closest(".block");
  hint.id ||= `${box.id}-hint`;
  box.querySelector("input").setAttribute("aria-describedby", hint.id);
}

/** On a phone it stands far above the button that made it. */
function showSecret(secret) {
  const address = secret.querySelector("[data-address]");
  address.textContent = new URL(address.dataset.address, document.baseURI).href;
  secret.focus({ preventScroll: true });
  secret.scrollIntoView({ block: "nearest" });
}
