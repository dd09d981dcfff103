// Payloads of the requests, validated with zod by the rules of the protocol reference.
import { z } from "zod";
import { RequestError } from "./errors.mjs";

const MAX_CONTENT_CHARS = 4_000;
const MAX_CONTENT_BYTES = 16 * 1024;
const MAX_SEQ = 2 ** 53 - 1;
// Control characters except tab and line feed, and lone surrogates.
const FORBIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Surrogate}/u;

const conversationId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

// A string has at most as many code points as UTF-16 units, and at most three bytes of UTF-8 for each unit.
const isShort = (text) => text.length <= MAX_CONTENT_CHARS || [...text].length <= MAX_CONTENT_CHARS;
const isSmall = (text) => text.length * 3 <= MAX_CONTENT_BYTES || Buffer.byteLength(text) <= MAX_CONTENT_BYTES;

const content = z
  .string()
  .transform((text) => (text.includes("\r") ? text.replaceAll(/\r\n?/g, "\n") : text))
  .refine((text) => isShort(text) && isSmall(text) && !FORBIDDEN.test(text) && text.trim() !== "");

const sendMessage = z.object({ conversationId, content, clientMessageId: z.string().min(1).max(64).optional() });

const joinConversation = z.union([
  conversationId.transform((id) => ({ conversationId: id })),
  z.object({
    conversationId,
    afterSeq: z.number().int().min(0).max(MAX_SEQ).optional(),
    epoch: z.string().optional(),
  }),
]);

function parse(schema, payload) {
  const result = schema.safeParse(payload);
  if (!result.success) throw new RequestError("bad_request");
  return result.data;
}

export const parseSendMessage = (payload) => parse(sendMessage, payload);
export const parseJoinConversation = (payload) => parse(joinConversation, payload);
