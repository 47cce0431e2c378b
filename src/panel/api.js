// Requests to the server that the page came from.

/** Where the stream is; all else is below it. The server has written it into the page. */
export const base = document.documentElement.dataset.base;

const REQUEST_TIMEOUT_MS = 10_000;

let token = "";

/** The token that requests and new streams bring from now on. It is kept in this page only. */
export function setToken(text) {
  token = text.trim();
}

/** The field that requests bring the token in. */
export function credentials() {
  return token === "" ? {} : { Authorization: `Bearer ${token}` };
}

/** A refusal of the server, or that there is none to be reached (status 0). */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What a response that is none of success says. */
export async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const title = problem.title ?? response.statusText;
  const detail = problem.detail ? `: ${problem.detail}` : "";
  return new RequestError(response.status, `${response.status} ${title}${detail}`);
}

/** The JSON that the server answers with. `body` is JSON as text. */
export async function request(method, path, body) {
  const headers = credentials();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    response = await fetch(base + path, { method, headers, body, cache: "no-store", signal });
  } catch (error) {
    throw new RequestError(0, error.name === "TimeoutError" ? "no answer in time" : "the server cannot be reached");
  }
  if (!response.ok) throw await refusal(response);
  return response.json();
}
