import assert from "node:assert/strict";
import { test } from "node:test";
import { nextOpening, parseOfficeHours } from "../../../chatws/web/widget/office-hours.js";

const WEEK = "Mon-Fri 9:00-17:00, Sat 10:00-12:00";

/** @param {string} notation */
const next = (notation, zone, now) => nextOpening(parseOfficeHours(notation, zone), new Date(now))?.toISOString() ?? "open";

test("the next opening is that of the site's time zone", () => {
  // 2024-05-06 is a Monday; Berlin is two hours ahead of UTC.
  assert.equal(next(WEEK, "Europe/Berlin", "2024-05-06T06:59:59Z"), "2024-05-06T07:00:00.000Z");
  assert.equal(next(WEEK, "Europe/Berlin", "2024-05-06T07:00:00Z"), "open");
  assert.equal(next(WEEK, "Europe/Berlin", "2024-05-06T15:00:00Z"), "2024-05-07T07:00:00.000Z");
  assert.equal(next(WEEK, "Europe/Berlin", "2024-05-10T20:00:30Z"), "2024-05-11T08:00:00.000Z");
  assert.equal(next(WEEK, "Europe/Berlin", "2024-05-11T11:00:00Z"), "2024-05-13T07:00:00.000Z");
  assert.equal(next(WEEK, "America/New_York", "2024-05-06T07:00:00Z"), "2024-05-06T13:00:00.000Z");
});

test("a change of the clock moves the opening", () => {
  // Berlin's clocks go back an hour in the night to 2024-10-27, and forward in the night to 2024-03-31.
  assert.equal(next(WEEK, "Europe/Berlin", "2024-10-26T18:00:00Z"), "2024-10-28T08:00:00.000Z");
  assert.equal(next(WEEK, "Europe/Berlin", "2024-03-30T18:00:00Z"), "2024-04-01T07:00:00.000Z");
});

test("hours may pass midnight, wrap the week, and last the whole day", () => {
  assert.equal(next("Sun 22:00-02:00", "UTC", "2024-05-06T01:59:00Z"), "open");
  assert.equal(next("Sun 22:00-02:00", "UTC", "2024-05-06T02:00:00Z"), "2024-05-12T22:00:00.000Z");
  assert.equal(next("Sat-Mon 0:00-24:00", "UTC", "2024-05-05T12:00:00Z"), "open");
  assert.equal(next("Sat-Mon 0:00-24:00", "UTC", "2024-05-07T00:00:00Z"), "2024-05-11T00:00:00.000Z");
});

test("other notations and unknown time zones are refused", () => {
  for (const notation of ["", "9-17", "Mon 9-17", "Mo 9:00-17:00", "Mon 24:00-25:00", "Mon 9:00-17:00, later"]) {
    assert.equal(parseOfficeHours(notation, "UTC"), null, notation);
  }
  assert.equal(parseOfficeHours(WEEK, "Mars/Olympus"), null);
});
