// What people take with them to other programs.

import { t } from "./texts.js";
import { toast } from "./toast.js";

/** Says whether it worked: over plain HTTP browsers offer no clipboard. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("client.copied"));
  } catch {
    toast(t("client.not-copied"), "error");
  }
}
