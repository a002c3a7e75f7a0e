import { createHash, randomFillSync } from 'node:crypto';
import type { NativeItemType } from './items.ts';

export type IdPrefix =
  | 'resp'
  | 'conv'
  | 'msg'
  | 'rs'
  | 'fc'
  | 'fco'
  | 'ctc'
  | 'ctco'
  | 'call'
  | 'ext'
  | 'att'
  | 'file'
  | 'sess'
  | 'req'
  | 'team'
  | 'key'
  | 'fs'
  | 'cu'
  | 'cuo'
  | 'ws'
  | 'tsc'
  | 'tso'
  | 'at'
  | 'cmp'
  | 'ig'
  | 'ci'
  | 'lsh'
  | 'lsho'
  | 'sh'
  | 'sho'
  | 'apc'
  | 'apco'
  | 'mcpl'
  | 'mcpr'
  | 'mcpa'
  | 'mcp'
  | 'cfg'
  | 'prog'
  | 'progo';

/** What OpenAI's own ids of these items begin with, where one is known. */
export const nativeIdPrefixes: Record<NativeItemType, IdPrefix> = {
  file_search_call: 'fs',
  computer_call: 'cu',
  computer_call_output: 'cuo',
  web_search_call: 'ws',
  tool_search_call: 'tsc',
  tool_search_output: 'tso',
  additional_tools: 'at',
  configuration_update: 'cfg',
  compaction: 'cmp',
  image_generation_call: 'ig',
  code_interpreter_call: 'ci',
  local_shell_call: 'lsh',
  local_shell_call_output: 'lsho',
  shell_call: 'sh',
  shell_call_output: 'sho',
  apply_patch_call: 'apc',
  apply_patch_call_output: 'apco',
  mcp_list_tools: 'mcpl',
  mcp_approval_request: 'mcpr',
  mcp_approval_response: 'mcpa',
  mcp_call: 'mcp',
  program: 'prog',
  program_output: 'progo',
};

/** Fills the array with random bytes; injected, so that a simulation can replay a run. */
export type FillRandom = (bytes: Uint8Array) => void;

export interface IdMint {
  /** `<prefix>_` (`file-`) + 48-bit millisecond time + 128 random bits, in hex. The time is the only thing an id says. */
  mint(prefix: IdPrefix, nowMs: number): string;
}

const randomBytesPerId = 16;

/** Random bytes are drawn a pool at a time: one system call for 256 ids. */
export function createIdMint(fillRandom: FillRandom = randomFillSync): IdMint {
  const pool = Buffer.alloc(randomBytesPerId * 256);
  let offset = pool.length;
  return {
    mint(prefix, nowMs) {
      if (offset === pool.length) {
        fillRandom(pool);
        offset = 0;
      }
      const random = pool.toString('hex', offset, offset + randomBytesPerId);
      offset += randomBytesPerId;
      return leastId(prefix, nowMs) + random;
    },
  };
}

let hexOf = { ms: 0, hex: '0'.repeat(12) };

/** A number of 48 bits is a float to V8, whose hex is made digit by digit; a turn's six ids are of one or two times. */
function hexTime(ms: number): string {
  if (ms !== hexOf.ms) hexOf = { ms, hex: ms.toString(16).padStart(12, '0') };
  return hexOf.hex;
}

/** What every id that is minted at this time begins with. */
export function leastId(prefix: IdPrefix, ms: number): string {
  // OpenAI's ids of files alone have a hyphen, and clients know them by it.
  return `${prefix}${prefix === 'file' ? '-' : '_'}${hexTime(ms)}`;
}

const mintedId = /^[a-z]+_[0-9a-f]{44}$/;

/** When an id was minted; undefined: it was not minted here. */
export function mintedAtMs(id: string): number | undefined {
  return mintedId.test(id) ? Number.parseInt(id.slice(-44, -32), 16) : undefined;
}

/**
 * A tool call id as an upstream can take it: itself where it fits, else a digest of it. The same for a call and its output.
 * @param maxLength 64 for Anthropic, 40 for OpenAI's Chat Completions.
 */
export function callIdFor(callId: string, maxLength: number): string {
  if (callId.length <= maxLength && /^[a-zA-Z0-9_-]+$/.test(callId)) return callId;
  return `call_${createHash('sha256').update(callId).digest('hex').slice(0, 24)}`;
}
