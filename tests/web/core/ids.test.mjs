import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../../chatws/web/core/ids.js";

test("ids are unique and have 32 hexadecimal digits", () => {
  const ids = Array.from({ length: 1000 }, newId);
  assert.equal(new Set(ids).size, 1000);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
});
