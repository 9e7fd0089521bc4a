// The bar on top: who I am, what is left of today's quota, language.

import { el, localise, whenThere } from "./dom.js";
import { stopFollowing } from "./live.js";
import { Refused, ask } from "./server.js";
import { hour, language, languages, number, t } from "./texts.js";
import { toast } from "./toast.js";

let coming = null;
let latest = null;
const listeners = [];

/** `use(me)` now, if it is known, and whenever it was asked again. */
export function onMe(use) {
  listeners.push(use);
  if (latest) use(latest);
}

/** Ask who I am and what is left, soon and once, however many pictures arrive together. */
export function refreshMe() {
  coming ??= new Promise((resolve) => setTimeout(resolve, 120)).then(async () => {
    coming = null;
    try {
      latest = await ask("api/v1/me");
      for (const use of listeners) use(latest);
    } catch (error) {
      if (error instanceof Refused) toast(error.message, "error");
    }
  });
  return coming;
}

export function startHeader() {
  whenThere("#topbar", (bar) => {
    localise(bar);
    offerLanguages(bar.querySelector("#language"));
    bar.querySelector("form").addEventListener("submit", stopFollowing);
    onMe((me) => paint(bar, me));
  });
  refreshMe();
}

function paint(bar, me) {
  const name = me.display_name || me.username;
  bar.querySelector("#whoami").replaceChildren(
    el("span", { class: "avatar", "aria-hidden": "true" }, [...name][0].toUpperCase()),
    el("span", { class: "who" }, el("strong", { dir: "auto" }, name), el("span", { class: "role" }, t(`role.${me.role}`))),
  );
  document.body.dataset.role = me.role;
  const may = me.permissions.includes("job:create");
  document.body.classList.toggle("may-generate", may);
  document.body.classList.toggle("is-guest", !may);
  paintQuota(bar.querySelector("#quota"), me);
}

function paintQuota(quota, me) {
  const { daily, used, reserved, remaining, resets_at: resets } = me.quota;
  quota.hidden = !me.permissions.includes("job:create");
  if (daily === null) {
    quota.replaceChildren(el("span", {}, t("quota.unlimited")));
    quota.title = t("quota.used", { used: number(used) });
    return;
  }
  const portion = daily > 0 ? remaining / daily : 0;
  const meter = el("span", { class: "quota-meter", "aria-hidden": "true" }, el("span", { style: { width: `${portion * 100}%` } }));
  quota.classList.toggle("is-low", portion <= 0.1);
  quota.replaceChildren(meter, el("span", {}, t("quota.left", { remaining: number(remaining), daily: number(daily) })));
  quota.title = t("quota.title", { used: number(used), reserved: number(reserved), hour: hour(resets) });
}

/** Make `select` a choice of languages that holds from now on and for every page. */
export function offerLanguages(select) {
  select.replaceChildren(...Object.entries(languages).map(([code, name]) => el("option", { value: code, lang: code }, name)));
  select.value = language;
  select.addEventListener("change", async () => {
    try {
      await ask("account/language", { method: "POST", body: { language: select.value } });
      location.reload();
    } catch (error) {
      toast(error.message, "error");
      select.value = language;
    }
  });
}
