/** An answer that is neither good nor a refusal, or none: `status` is 0. */
export class BillingError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.name = 'BillingError';
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.field = problem.field;
    this.requestId = problem.requestId;
  }
}

const isPassing = (status) => status === 0 || status === 429 || status === 503;

class Core {
  #base;
  #key;
  #bounds;

  constructor(baseUrl, key, options = {}) {
    this.#base = baseUrl.replace(/\/+$/, '');
    this.#key = key;
    this.#bounds = { tries: 3, timeoutMs: 10_000, pauseMs: 5_000, ...options };
  }

  // Every write carries a key, the caller's or one of our own, so that a second try is the same call.
  async call(method, path, { body, query, idempotencyKey, refuses } = {}) {
    const given = Object.entries(query ?? {}).filter(([, value]) => value != null);
    const search = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
    const headers = { accept: 'application/json' };
    if (this.#key) headers.authorization = `Bearer ${this.#key}`;
    if (method !== 'GET') headers['idempotency-key'] = idempotencyKey ?? crypto.randomUUID();
    if (body !== undefined) headers['content-type'] = 'application/json';
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    for (let left = this.#bounds.tries; ; left -= 1) {
      const { status, said, wait } = await this.#once(this.#base + path + search, request);
      if (status >= 200 && status < 300) return refuses ? { ok: true, value: said } : said;
      if (status === 402 && refuses) return { ok: false, refusal: said };
      if (left <= 1 || !isPassing(status)) throw new BillingError(status, said);
      await new Promise((resolve) => setTimeout(resolve, Math.min(wait, this.#bounds.pauseMs)));
    }
  }

  async #once(url, request) {
    try {
      const signal = AbortSignal.timeout(this.#bounds.timeoutMs);
      const answer = await fetch(url, { ...request, signal, redirect: 'error' });
      const text = await answer.text();
      const seconds = Number(answer.headers.get('retry-after') ?? 1);
      return { status: answer.status, said: read(text), wait: (Number.isFinite(seconds) ? seconds : 1) * 1_000 };
    } catch (error) {
      return { status: 0, said: { code: 'no_answer', detail: `No answer: ${error.message}` }, wait: 200 };
    }
  }
}

function read(text) {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return { detail: 'The answer is not JSON; is the address right?' };
  }
}
