/** Id of the open conversation in the fragment of the page's URL, which browsers never send to a server. */

const PREFIX = "#conversation=";
const ID = /^[\w-]{1,64}$/;

/** Return the id in the URL; empty without a valid one. */
export function conversationInUrl() {
  const id = location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length) : "";
  return ID.test(id) ? id : "";
}

/** Add an entry to the browser's history, unless the URL has this id already. @param {string} conversationId */
export function putConversationInUrl(conversationId) {
  if (conversationInUrl() === conversationId) return;
  history.pushState(null, "", conversationId ? PREFIX + conversationId : location.pathname + location.search);
}
