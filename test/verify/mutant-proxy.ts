import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Call, Fault, Passed } from './mutants.ts';

/** The path whose call the fault takes for a restart. */
const restartPath = '/restart';

/** The command that `verify` is given to restart such a server. */
export const restartCommand = (url: string) => `${process.execPath} -e "await fetch('${url}${restartPath}')"`;

/** A server like the one behind it, but for one fault. @returns its address. */
export async function mutantProxy(target: string, fault: Fault): Promise<string> {
  const server = createServer((request, response) => {
    const answer = async (call: Call, text: string) => {
      const { status, text: body, isStream } = await pass(target, call, text, fault);
      response.writeHead(status, { 'content-type': isStream ? 'text/event-stream' : 'application/json' }).end(body);
    };
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const call: Call = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: {},
        body: parsed(text),
      };
      for (const name of ['authorization', 'content-type', 'idempotency-key']) {
        const value = request.headers[name];
        if (typeof value === 'string') call.headers[name] = value;
      }
      if (call.path === restartPath) {
        fault.restart?.();
        response.end();
      } else void answer(call, text);
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, { url: path, headers: { authorization } }) => {
    const behind = new WebSocket(`${target.replace(/^http/, 'ws')}${path}`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    const waiting: string[] = [];
    behind.on('open', () => {
      for (const text of waiting.splice(0)) behind.send(text);
    });
    behind.on('message', (data: Buffer) => socket.send(data.toString()));
    behind.on('close', () => socket.close());
    // A client that leaves before this connection stands ends it with an error; `close` comes after it, whatever it was.
    behind.on('error', () => {});
    socket.on('close', () => behind.terminate());
    socket.on('message', (data: Buffer) => {
      const taken = fault.message?.(data.toString()) ?? { pass: data.toString() };
      if (taken.answer !== undefined) socket.send(JSON.stringify(taken.answer));
      if (taken.close === true) socket.close();
      if (taken.pass === undefined) return;
      if (behind.readyState === WebSocket.OPEN) behind.send(taken.pass);
      else waiting.push(taken.pass);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function pass(target: string, call: Call, text: string, fault: Fault): Promise<Passed> {
  const answered = fault.call?.(call);
  if (answered !== undefined) return answered;
  const body = call.body === undefined ? text : JSON.stringify(call.body);
  const response = await fetch(`${target}${call.path}`, {
    method: call.method,
    headers: call.headers,
    ...(call.method === 'GET' ? {} : { body }),
  });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const passed: Passed = { status: response.status, text: await response.text(), isStream };
  fault.reply?.(passed, call);
  return passed;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
