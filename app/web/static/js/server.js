// Talking to our own server. Addresses are relative to the page, so a sub-path deployment works.

import { t } from "./texts.js";

/** The server understood and refused; `message` is meant for the person. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? t("client.unexpected"));
    this.status = status;
    this.code = problem?.code ?? "";
  }
}

/** The server could not be reached. */
export class Unreachable extends Error {}

/** The JSON answer, or null when there is none. Somebody who is no longer signed in is sent to the login. */
export async function ask(path, { method = "GET", body, signal, keepalive } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: sent, signal, keepalive, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable(t("client.offline"));
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => null);
  if (response.status === 401) location.assign("login");
  if (problem?.code === "password-change-required") location.assign("account/password");
  // A proxy whose backend restarts answers 502 or 504.
  if (response.status >= 502 && !problem?.code) throw new Unreachable(t("client.offline"));
  throw new Refused(response.status, problem);
}

/** An address from the API, which counts from the root of the site, as one that counts from this page. */
export const here = (url) => url.replace(/^\//, "");
