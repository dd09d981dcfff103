/**
 * Launcher that embeds the chat in any page: <script src="https://SERVER/widget/embed.js" data-title="…" async></script>
 *
 * Options: data-title, data-greeting, data-accent (#rrggbb), data-position (left | right), data-label. A content
 * security policy of the page has to allow the server in script-src and frame-src. It needs no style-src, because the
 * launcher uses no inline styles.
 */
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const { title = "Chat", greeting = "", accent = "", position = "right", label = "Open chat" } = script.dataset;
  const page = new URL("chatbot-iframe.html", script.src);
  page.search = new URLSearchParams({ title, greeting, accent }).toString();

  const RULES = `
    :host { all: initial; }
    button, iframe { position: fixed; z-index: 2147483000; right: 20px; bottom: 20px; border: 0; }
    .left button, .left iframe { right: auto; left: 20px; }
    button {
      display: grid; width: 60px; height: 60px; padding: 0; place-items: center; border-radius: 50%; cursor: pointer;
      background: var(--accent); box-shadow: 0 6px 24px rgb(0 0 0 / 25%);
    }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
    svg { width: 28px; height: 28px; fill: var(--mark); }
    .count {
      position: absolute; top: -4px; right: -4px; min-width: 22px; padding: 0 6px; border-radius: 11px;
      background: #b3261e; color: #fff; font: 600 13px/22px system-ui, sans-serif; text-align: center;
    }
    iframe {
      bottom: 92px; width: 380px; height: min(620px, calc(100vh - 112px)); border-radius: 16px;
      background: Canvas; box-shadow: 0 12px 48px rgb(0 0 0 / 28%); color-scheme: light dark;
    }
    [hidden] { display: none; }
    @media (prefers-reduced-motion: no-preference) {
      button { transition: transform 120ms; }
      button:hover { transform: scale(1.05); }
      iframe { animation: rise 160ms ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media (max-width: 480px) {
      .launcher iframe { inset: 0; width: 100%; height: 100%; border-radius: 0; }
    }`;
  const ICON = "M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-8.6L6 22.4V18H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm3 6v2h10V9H7zm0 4v2h7v-2H7z";

  const host = document.createElement("chatws-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(RULES);
  shadow.adoptedStyleSheets = [sheet];

  const launcher = document.createElement("div");
  launcher.className = position === "left" ? "launcher left" : "launcher";
  const button = document.createElement("button");
  button.type = "button";
  const count = document.createElement("span");
  count.className = "count";
  count.hidden = true;
  count.setAttribute("aria-hidden", "true");
  button.append(icon(), count);
  launcher.append(button);
  shadow.append(launcher);
  applyAccent();

  /** Created when first opened, so that until then the page loads only this script. @type {HTMLIFrameElement | null} */
  let frame = null;
  /** The page in the frame has loaded and receives messages. */
  let isReady = false;
  show(false);
  button.addEventListener("click", () => show(!frame || Boolean(frame.hidden)));
  window.addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== page.origin) return;
    if (event.data?.chatws === "ready") {
      isReady = true;
      postState();
    }
    if (event.data?.chatws === "unread") showUnread(Number(event.data.unread) || 0);
    if (event.data?.chatws === "close") {
      show(false);
      button.focus();
    }
  });
  if (document.body) document.body.append(host);
  else addEventListener("DOMContentLoaded", () => document.body.append(host));

  /** @param {boolean} open */
  function show(open) {
    if (open && !frame) {
      frame = document.createElement("iframe");
      frame.title = title;
      frame.src = page.href;
      launcher.append(frame);
    }
    if (frame) frame.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    showUnread(0);
    postState();
  }

  function postState() {
    if (!frame || !isReady) return;
    if (!frame.hidden) frame.focus();
    frame.contentWindow?.postMessage({ chatws: frame.hidden ? "closed" : "open" }, page.origin);
  }

  /** @param {number} unread */
  function showUnread(unread) {
    count.hidden = unread === 0;
    count.textContent = unread > 99 ? "99+" : String(unread);
    const action = button.getAttribute("aria-expanded") === "true" ? "Close chat" : label;
    button.setAttribute("aria-label", unread ? `${action}, ${unread} unread` : action);
  }

  function applyAccent() {
    const colour = /^#[0-9a-f]{6}$/i.test(accent) ? accent : "#4338ca";
    const [red, green, blue] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
    launcher.style.setProperty("--accent", colour);
    launcher.style.setProperty("--mark", red * 0.3 + green * 0.59 + blue * 0.11 > 160 ? "#111" : "#fff");
  }

  function icon() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICON);
    svg.append(path);
    return svg;
  }
})();
