import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerTyping } from "../../../chatws/web/core/peer-typing.js";
import { TypingThrottle } from "../../../chatws/web/core/typing-throttle.js";

test("typing is sent once per interval and its end once", () => {
  const typing = new TypingThrottle();
  assert.deepEqual([0, 1999, 2000].map((now) => typing.start("c", now)), [true, false, true]);
  assert.deepEqual([typing.stop("c"), typing.stop("c")], [true, false]);
});

test("typing indicators that are not in the join reply are cleared", () => {
  const typing = new PeerTyping();
  for (const userId of ["a", "b"]) typing.update({ conversationId: "c", userId, userName: userId, isTyping: true });
  assert.deepEqual(typing.clear("c", ["b"]).map((one) => [one.userId, one.isTyping]), [["a", false]]);
  assert.deepEqual(typing.clear().map((one) => one.userId), ["b"]);
});
