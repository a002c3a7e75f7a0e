import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Call, Fault, Passed } from './mutants.ts';

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
      for (const name of ['authorization', 'content-type']) {
        const value = request.headers[name];
        if (typeof value === 'string') call.headers[name] = value;
      }
      void answer(call, text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
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
