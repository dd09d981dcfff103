/**
 * Launcher that embeds the chat in any page: <script src="https://SERVER/widget/embed.js" data-title="…" async></script>
 *
 * docs/widget.md lists the options (data-… attributes) and the functions of `window.chatws`. A content security policy
 * of the page has to allow the server in script-src and frame-src. It needs no style-src, because the launcher uses no
 * inline styles. One file without imports: it loads cross-origin, and works unbundled too.
 */
(() => {
  const global = /** @type {any} any: the page's own globals */ (window);
  if (global.chatws) return;

  // A module has no `currentScript`.
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript ?? document.querySelector('script[src*="/widget/embed.js"]')
  );
  const options = { ...script.dataset };
  const language = (options.language || document.documentElement.lang || navigator.language).slice(0, 2).toLowerCase();

  /** Label, close, unread, loading, unreachable, retry. @type {Record<string, string[]>} */
  const TEXTS = {
    en: ["Open chat", "Close chat", "unread", "Loading…", "The chat cannot be reached right now.", "Try again"],
    de: ["Chat öffnen", "Chat schließen", "ungelesen", "Wird geladen…", "Der Chat ist gerade nicht erreichbar.", "Erneut versuchen"],
    es: ["Abrir chat", "Cerrar chat", "sin leer", "Cargando…", "El chat no está disponible en este momento.", "Reintentar"],
    fr: ["Ouvrir le chat", "Fermer le chat", "non lus", "Chargement…", "Le chat est injoignable pour le moment.", "Réessayer"],
    pt: ["Abrir chat", "Fechar chat", "não lidas", "A carregar…", "O chat não está disponível neste momento.", "Tentar novamente"],
    zh: ["打开聊天", "关闭聊天", "条未读", "正在加载…", "暂时无法连接聊天服务。", "重试"],
  };
  let [openText, closeText, unreadText, loadingText, unreachableText, retryText] = TEXTS[language] ?? TEXTS.en;

  /** Time from the end of loading to the message of a frame that shows our page; errors show the browser's page. */
  const READY_TIMEOUT_MS = 2_000;
  const LOAD_TIMEOUT_MS = 15_000;
  const DEFAULT_POLL_S = 30;

  const RULES = `
    :host { all: initial; }
    * { box-sizing: border-box; font: 15px/1.4 system-ui, sans-serif; }
    .launcher > * { position: fixed; z-index: 2147483000; right: 20px; bottom: 20px; border: 0; }
    .launcher.left > * { right: auto; left: 20px; }
    .toggle {
      display: grid; width: 60px; height: 60px; padding: 0; place-items: center; border-radius: 50%; cursor: pointer;
      background: var(--accent); color: var(--mark); box-shadow: 0 6px 24px rgb(0 0 0 / 25%), 0 0 0 1px var(--edge);
    }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; box-shadow: 0 0 0 3px var(--mark); }
    svg { width: 28px; height: 28px; fill: currentColor; }
    .count {
      position: absolute; top: -4px; right: -4px; min-width: 22px; padding: 0 6px; border-radius: 11px;
      background: #b3261e; color: #fff; font: 600 13px/22px system-ui, sans-serif; text-align: center;
    }
    .frame, .notice, .preview { color-scheme: var(--scheme); background: Canvas; color: CanvasText; }
    .frame, .notice {
      bottom: 92px; width: 380px; max-width: calc(100vw - 40px); height: min(620px, calc(100vh - 112px));
      border-radius: 16px; box-shadow: 0 12px 48px rgb(0 0 0 / 28%);
    }
    .notice { display: grid; align-content: center; justify-items: center; gap: 16px; padding: 24px; text-align: center; }
    .notice p { margin: 0; }
    .notice button {
      min-width: 160px; padding: 9px 16px; border: 1px solid GrayText; border-radius: 10px;
      background: Canvas; color: inherit; cursor: pointer;
    }
    .launcher > .preview {
      bottom: 92px; max-width: min(300px, calc(100vw - 40px)); padding: 12px 16px; border-radius: 14px;
      border: 1px solid color-mix(in srgb, CanvasText 20%, Canvas); box-shadow: 0 6px 24px rgb(0 0 0 / 20%);
      text-align: start; cursor: pointer;
    }
    .preview b { display: block; font-weight: 600; }
    .preview span { display: -webkit-box; overflow: hidden; overflow-wrap: anywhere; -webkit-box-orient: vertical; -webkit-line-clamp: 3; }
    .launcher > [hidden], .notice [hidden], .count[hidden] { display: none; }
    .waiting { visibility: hidden; }
    @media (prefers-reduced-motion: no-preference) {
      .toggle { transition: transform 120ms; }
      .toggle:hover { transform: scale(1.05); }
      .frame, .notice { animation: rise 160ms ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media (max-width: 480px) {
      .launcher .frame, .launcher .notice { inset: 0; width: 100%; max-width: none; height: 100%; border-radius: 0; }
    }`;
  const CHAT_ICON = "M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2h-8.6L6 22.4V18H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm3 6v2h10V9H7zm0 4v2h7v-2H7z";
  const CLOSE_ICON = "M12 10.6 17.3 5.3l1.4 1.4L13.4 12l5.3 5.3-1.4 1.4L12 13.4l-5.3 5.3-1.4-1.4L10.6 12 5.3 6.7l1.4-1.4z";

  const host = document.createElement("chatws-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(RULES);
  shadow.adoptedStyleSheets = [sheet];
  const launcher = add(shadow, "div", options.position === "left" ? "launcher left" : "launcher");
  const button = add(launcher, "button", "toggle");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  button.append(svg);
  const count = add(button, "span", "count");
  count.setAttribute("aria-hidden", "true");
  const preview = add(launcher, "button", "preview");
  const previewName = add(preview, "b");
  const previewText = add(preview, "span");
  /** Shown in place of the frame until its page reports that it runs, so that no error page of the browser appears. */
  const notice = add(launcher, "div", "notice");
  notice.setAttribute("role", "status");
  const noticeText = add(notice, "p");
  const retryButton = add(notice, "button");
  const closeButton = add(notice, "button");

  /** @type {Record<string, Array<(value?: number) => void>>} */
  const listeners = {};
  /** Created when the visitor points at the button, so that until then the page loads only this script. @type {HTMLIFrameElement | null} */
  let frame = null;
  /** Reads the unread count of a closed chat that was used before. @type {HTMLIFrameElement | null} */
  let counter = null;
  let isOpen = false;
  /** Until it is opened, the frame loads its page but creates no session. */
  let wasOpened = false;
  let isReady = false;
  let unread = 0;
  /** @type {number | undefined} */
  let timer;
  /** The visitor, as the site identifies them. @type {Record<string, string>} */
  let user = visitor(options);
  /** Content of the file with the texts of another language. */
  let texts = "";

  applyColours();
  applyTexts();
  if (options.texts) void loadTexts(options.texts);
  button.addEventListener("click", () => show(!isOpen));
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => frame ?? loadFrame());
  preview.addEventListener("click", () => show(true));
  closeButton.addEventListener("click", closeByUser);
  retryButton.addEventListener("click", loadFrame);
  notice.addEventListener("keydown", (event) => event.key === "Escape" && closeByUser());
  window.addEventListener("message", receive);
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);

  global.chatws = {
    open: () => show(true),
    close: () => show(false),
    /** @param {{name?: string, email?: string, identity?: string}} value `identity`: a token signed by the site's back end */
    identify(value) {
      user = visitor(value);
      if (frame) loadFrame();
      if (!wasOpened) startCounter();
    },
    /**
     * @param {"open" | "close" | "unread"} name
     * @param {(value?: number) => void} listener
     */
    on(name, listener) {
      (listeners[name] ??= []).push(listener);
      if (name === "unread") listener(unread);
    },
  };

  function start() {
    document.body.append(host);
    // On a small screen the open chat covers the page that the visitor has just chosen.
    if (stored("sessionStorage", "open") && matchMedia("(min-width: 481px)").matches) show(true, false);
    else startCounter();
  }

  function startCounter() {
    counter?.remove();
    if (!stored("localStorage", "used") || options.poll === "0") return;
    counter = makeFrame("unread.html", { poll: options.poll || DEFAULT_POLL_S });
  }

  /**
   * Return the non-empty values, and the user id of the identity, by which the frames recognise another user.
   * @param {{name?: string, email?: string, identity?: string}} value
   * @returns {Record<string, string>}
   */
  function visitor({ name, email, identity }) {
    if (!identity) return { ...(name && { name }), ...(email && { email }) };
    try {
      const claims = atob(identity.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
      return { identity, subject: String(JSON.parse(claims).sub) };
    } catch {
      // The server refuses a token that is none.
      return { identity, subject: identity };
    }
  }

  /** @param {boolean} open */
  function show(open, takeFocus = true) {
    const changed = open !== isOpen;
    isOpen = open;
    if (open) {
      wasOpened = true;
      counter?.remove();
      counter = null;
      if (!frame) loadFrame();
    }
    render();
    path.setAttribute("d", open ? CLOSE_ICON : CHAT_ICON);
    button.setAttribute("aria-expanded", String(open));
    showUnread(open ? 0 : unread);
    post({ chatws: open ? "open" : "closed", focus: takeFocus });
    if (!changed) return;
    store("sessionStorage", "open", open);
    notify(open ? "open" : "close");
    if (open && takeFocus) (isReady ? frame : closeButton)?.focus();
  }

  function closeByUser() {
    show(false);
    button.focus();
  }

  function loadFrame() {
    frame?.remove();
    isReady = false;
    // The visitor belongs into the fragment, which browsers do not send.
    const shown = { title: "", ...options, language, name: "", email: "", identity: "", wait: wasOpened ? "" : "on" };
    frame = makeFrame("chatbot-iframe.html", shown);
    frame.title = shown.title || "Chat";
    frame.addEventListener("load", () => failAfter(READY_TIMEOUT_MS));
    retryButton.hidden = true;
    noticeText.textContent = loadingText;
    failAfter(LOAD_TIMEOUT_MS);
    render();
  }

  /** @param {number} delayMs */
  function failAfter(delayMs) {
    clearTimeout(timer);
    if (isReady) return;
    timer = setTimeout(() => {
      noticeText.textContent = unreachableText;
      retryButton.hidden = false;
      if (isOpen) retryButton.focus();
    }, delayMs);
  }

  function render() {
    if (frame) frame.className = isReady ? "frame" : "frame waiting";
    if (frame) frame.hidden = !isOpen;
    notice.hidden = !isOpen || isReady;
  }

  /** @param {MessageEvent} event */
  function receive({ source, origin, data }) {
    const isChat = source === frame?.contentWindow;
    if (origin !== new URL(script.src).origin || (!isChat && source !== counter?.contentWindow)) return;
    if (data?.chatws === "ready") {
      clearTimeout(timer);
      // Asked before the notice with the focused button disappears.
      const takeFocus = isOpen && shadow.activeElement !== null;
      isReady = true;
      render();
      if (takeFocus) frame?.focus();
      post({ chatws: isOpen ? "open" : "closed", focus: takeFocus });
    }
    if (data?.chatws === "unread") showUnread(Number(data.unread) || 0, data.reply);
    if (data?.chatws === "used") store("localStorage", "used", true);
    if (data?.chatws === "close") closeByUser();
  }

  /**
   * @param {number} value
   * @param {{name: string, text: string}} [reply] the newest unread message
   */
  function showUnread(value, reply) {
    const text = value > 99 ? "99+" : String(value);
    count.hidden = value === 0;
    count.textContent = text;
    const action = isOpen ? closeText : options.label || openText;
    button.setAttribute("aria-label", value ? `${action}, ${text} ${unreadText}` : action);
    preview.hidden = isOpen || !value || !(reply?.text || previewText.textContent);
    if (reply) {
      previewName.textContent = reply.name;
      previewText.textContent = reply.text;
    }
    if (options.badge !== "off") {
      const title = document.title.replace(/^\(\d+\+?\) /, "");
      const badged = value ? `(${text}) ${title}` : title;
      if (badged !== document.title) document.title = badged;
    }
    if (value !== unread) notify("unread", (unread = value));
  }

  /**
   * @param {string} page
   * @param {Record<string, string | number>} query
   */
  function makeFrame(page, query) {
    const made = /** @type {HTMLIFrameElement} */ (document.createElement("iframe"));
    const given = Object.entries(query).map(([name, value]) => [name, String(value)]);
    made.src = addressOf(`${page}?${new URLSearchParams(given)}`);
    made.hidden = true;
    launcher.append(made);
    return made;
  }

  /** Return an address with the visitor in its fragment, which browsers do not send. @param {string} page */
  function addressOf(page) {
    const address = new URL(page, script.src);
    address.hash = new URLSearchParams({ ...user, ...(texts && { texts }) }).toString();
    return address.href;
  }

  /** @param {object} message */
  function post(message) {
    if (isReady) frame?.contentWindow?.postMessage(message, new URL(script.src).origin);
  }

  /**
   * @param {string} name
   * @param {number} [value]
   */
  function notify(name, value) {
    for (const listener of listeners[name] ?? []) listener(value);
  }

  /** @param {string} address */
  async function loadTexts(address) {
    const response = await fetch(address);
    const more = await response.json();
    texts = JSON.stringify(more);
    openText = more.open ?? openText;
    closeText = more.close ?? closeText;
    unreadText = more.unread ?? unreadText;
    loadingText = more.loading ?? loadingText;
    unreachableText = more.unreachableNow ?? unreachableText;
    retryText = more.tryAgain ?? retryText;
    applyTexts();
    if (frame) loadFrame();
  }

  function applyTexts() {
    retryButton.textContent = retryText;
    closeButton.textContent = closeText;
    show(isOpen, false);
  }

  /** Choose black or white by the formula of the frame's page (ui/contrast.js). */
  function applyColours() {
    const given = (options.accent ?? "").replace(/^#(.)(.)(.)$/, "#$1$1$2$2$3$3");
    const accent = /^#[0-9a-f]{6}$/i.test(given) ? given : "#4338ca";
    const parts = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16) / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    const mark = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
    const { theme = "" } = options;
    launcher.style.setProperty("--accent", accent);
    launcher.style.setProperty("--mark", mark);
    launcher.style.setProperty("--edge", `${mark}33`);
    launcher.style.setProperty("--scheme", ["light", "dark"].includes(theme) ? theme : "light dark");
  }

  /**
   * @param {Node} parent
   * @param {string} tag
   */
  function add(parent, tag, className = "") {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (element instanceof HTMLButtonElement) element.type = "button";
    parent.appendChild(element);
    return element;
  }

  /**
   * @param {"localStorage" | "sessionStorage"} kind
   * @param {string} name
   */
  function stored(kind, name) {
    try {
      return window[kind].getItem(`chatws.${name}`);
    } catch {
      // The visitor's browser denies storage.
      return null;
    }
  }

  /**
   * @param {"localStorage" | "sessionStorage"} kind
   * @param {string} name
   * @param {boolean} isSet
   */
  function store(kind, name, isSet) {
    try {
      if (isSet) window[kind].setItem(`chatws.${name}`, "1");
      else window[kind].removeItem(`chatws.${name}`);
    } catch {
      // As above: the state lasts as long as the page.
    }
  }
})();
