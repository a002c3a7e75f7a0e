import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** X.509 by hand, since Node reads certificates and makes none: as much of DER as one needs. */

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  // As short as it can be said: not every reader of certificates takes it longer.
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
};
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const integer = (value: number) => der(0x02, Buffer.from([value]));
const time = (text: string) => der(0x17, Buffer.from(text));

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
const nameOf = (text: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(text)))));
const validity = sequence(time('200101000000Z'), time('491231235959Z'));

/** `basicConstraints`: it may sign others. */
const forAuthority = sequence(
  oid('551d13'),
  der(0x01, Buffer.from([0xff])),
  der(0x04, sequence(der(0x01, Buffer.from([0xff])))),
);
/** `subjectAltName`: it is shown by this address. */
const forAddress = (bytes: number[]) => sequence(oid('551d11'), der(0x04, sequence(der(0x87, Buffer.from(bytes)))));

interface Issuer {
  name: string;
  key: KeyObject;
}

function certificate(subject: string, publicKey: KeyObject, issuer: Issuer, extension: Buffer): string {
  const toSign = sequence(
    der(0xa0, integer(2)),
    integer(1),
    ecdsaWithSha256,
    nameOf(issuer.name),
    validity,
    nameOf(subject),
    publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, sequence(extension)),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toSign, issuer.key));
  const lines = sequence(toSign, ecdsaWithSha256, signature).toString('base64').replaceAll(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

export interface Authority {
  /** Its own certificate, in PEM. */
  certificate: string;
  /** A key and a certificate for a server at 127.0.0.1, which names no host. */
  issue(): { key: string; certificate: string };
}

/** An authority that nobody trusts who was not given its certificate. */
export function createAuthority(name: string): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name, key: privateKey };
  return {
    certificate: certificate(name, publicKey, issuer, forAuthority),
    issue() {
      const server = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return {
        key: server.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
        certificate: certificate('database', server.publicKey, issuer, forAddress([127, 0, 0, 1])),
      };
    },
  };
}
