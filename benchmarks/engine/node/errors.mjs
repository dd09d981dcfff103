// Refusals of requests, with the codes of the protocol reference.

const TEXTS = {
  bad_request: "The request is malformed.",
  unauthorized: "The credentials are missing or invalid.",
  token_expired: "The token has expired; renew it and retry.",
  session_expired: "The session has expired; start a new one.",
  forbidden: "You are not allowed to do this.",
  not_joined: "Join the conversation first.",
  idempotency_conflict: "This clientMessageId was used for other content.",
  rate_limited: "Too many requests; retry later.",
  connection_limit: "Too many connections.",
  storage_unavailable: "The storage is unavailable; the outcome is unknown.",
  internal: "Internal server error.",
};
const RETRYABLE = new Set(["token_expired", "rate_limited", "connection_limit", "storage_unavailable"]);

export class RequestError extends Error {
  constructor(code, retryAfterMs) {
    super(TEXTS[code]);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.data = { code }; // sent with CONNECT_ERROR
  }

  reply() {
    const error = { code: this.code, message: this.message, retryable: RETRYABLE.has(this.code) };
    if (this.retryAfterMs !== undefined) error.retryAfterMs = this.retryAfterMs;
    return { success: false, error };
  }
}

export function asRequestError(error) {
  if (error instanceof RequestError) return error;
  console.error(error);
  return new RequestError("internal");
}
