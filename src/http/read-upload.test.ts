import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readUpload } from './read-upload.ts';

const fileBytes = 20 * 1024 * 1024;
const head =
  '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n' +
  '--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n';
const tail = '\r\n--x--\r\n';

test('an upload is read no faster than its bytes are taken', async () => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const arrived = once(server, 'request') as Promise<[IncomingMessage, never]>;
  socket.write(
    `POST / HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=x\r\n` +
      `content-length: ${head.length + fileBytes + tail.length}\r\n\r\n${head}`,
  );
  socket.write(Buffer.alloc(fileBytes, 'x'));
  socket.write(tail);

  const [request, response] = await arrived;
  const paused = once(request, 'pause');
  let taken = 0;
  const upload = readUpload(request, response, fileBytes, async (data) => {
    for await (const chunk of data) {
      taken += chunk.length;
      await gate;
    }
  });
  await paused;
  expect(request.socket.bytesRead).toBeLessThan(1024 * 1024);
  open();
  const { fields, filename, mediaType } = await upload;
  expect({ fields: [...fields], filename, mediaType, taken }).toEqual({
    fields: [['purpose', 'user_data']],
    filename: 'a.txt',
    mediaType: 'text/plain',
    taken: fileBytes,
  });
});
