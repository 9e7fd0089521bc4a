// Texts in the person's language. The server has already made `navigator.language` that language.

const all = JSON.parse(document.getElementById("atelier-texts").textContent);

export const language = Object.hasOwn(all, navigator.language) ? navigator.language : "en";
export const languages = Object.fromEntries(Object.entries(all).map(([code, texts]) => [code, texts["language.name"]]));

/** The text with `{name}` replaced. With `n`: the variant `<key>-one` where the language has one and n is 1. */
export function t(key, params = {}) {
  const texts = all[language];
  const single = params.n === 1 ? texts[`${key}-one`] : undefined;
  const text = single ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

const numbers = new Intl.NumberFormat(language);
const moments = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });

export const number = (value) => numbers.format(value);
export const moment = (text) => moments.format(new Date(text));
export const hour = (text) => clock.format(new Date(text));
