/**
 * What we use of node:http. An `import` of it reads each of its exports once, those too that load the platform's own undici
 * (`WebSocket`, `MessageEvent`): 40 ms and 13 MB at start, for what nobody calls.
 */
export const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');
