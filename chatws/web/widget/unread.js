/** Counter of unread messages in a hidden frame of the launcher, while the chat itself is not loaded. */
(() => {
  const LIMIT = 100;
  const MIN_POLL_S = 1;
  const PREVIEW_CHARACTERS = 140;

  const pollMs = Math.max(MIN_POLL_S, Number(new URLSearchParams(location.search).get("poll")) || 0) * 1_000;

  /** User id given by the site; the stored session may belong to another one. */
  const subject = new URLSearchParams(location.hash.slice(1)).get("subject") ?? "";

  /** @param {string} name */
  const stored = (name) => {
    try {
      return localStorage.getItem(`chatws.${name}`);
    } catch {
      return null;
    }
  };

  async function poll() {
    const sessionId = stored("session");
    if (!sessionId || (stored("subject") ?? "") !== subject) return;
    const address = `/api/messages?afterSeq=${Number(stored("read")) || 0}&limit=${LIMIT}`;
    const response = await fetch(address, { headers: { "X-Session-Id": sessionId } });
    const page = await response.json();
    if (!page.success) return;
    const received = page.messages.filter((/** @type {any} any: a stored message */ one) => one.sender.role !== "customer");
    const last = received.at(-1);
    const reply = last && { name: last.sender.userName, text: last.content.slice(0, PREVIEW_CHARACTERS) };
    window.parent.postMessage({ chatws: "unread", unread: received.length, reply }, "*");
  }

  async function run() {
    if (!document.hidden) await poll().catch(() => {});
    setTimeout(run, pollMs);
  }

  document.addEventListener("visibilitychange", () => void (document.hidden || poll().catch(() => {})));
  void run();
})();
