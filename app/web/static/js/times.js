// Places in the queue and lengths of time as people say them: rounded, and never nothing.

import { language, t } from "./texts.js";

const SOON_S = 3;
const ordinals = new Intl.PluralRules(language, { type: "ordinal" });

/** "about 40 s", "about 3 min", "about 1 h 10 min"; app/web/waiting_time.py says it in the same way. */
export function about(seconds) {
  if (seconds < SOON_S) return t("time.soon");
  const fives = Math.max(1, Math.round(seconds / 5)) * 5;
  if (fives < 60) return t("time.seconds", { n: fives });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("time.minutes", { n: minutes });
  const rounded = Math.round(minutes / 5) * 5;
  const [hours, rest] = [Math.floor(rounded / 60), rounded % 60];
  return rest === 0 ? t("time.hours", { n: hours }) : t("time.hours-minutes", { hours, minutes: rest });
}

/** "Next", "2nd in line". */
export function placeInLine(position) {
  return position === 1 ? t("place.next") : t(`place.${ordinals.select(position)}`, { place: position });
}
