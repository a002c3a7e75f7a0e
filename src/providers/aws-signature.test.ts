import { AwsV4Signer } from 'aws4fetch';
import { expect, test } from 'vitest';
import { signedHeaders } from './aws-signature.ts';

const credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: undefined,
};

test('signs as AWS’ own test suite says (post-vanilla)', () => {
  const headers = signedHeaders(
    {
      origin: 'https://example.amazonaws.com',
      path: '/',
      headers: {},
      body: '',
      region: 'us-east-1',
      service: 'service',
      atMs: Date.UTC(2015, 7, 30, 12, 36),
    },
    credentials,
  );
  expect(headers).toEqual({
    'x-amz-date': '20150830T123600Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
      'Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  });
});

test.each([
  ['/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke', undefined],
  ['/model/anthropic.claude-opus-4-8/invoke-with-response-stream', 'token/with+signs=='],
  [`/model/${encodeURIComponent('arn:aws:bedrock:us-east-1:1:application-inference-profile/a(b)!')}/invoke`, undefined],
])('signs as another implementation does: %s', async (path, sessionToken) => {
  const origin = 'https://bedrock-runtime.us-east-1.amazonaws.com';
  const headers = { 'content-type': 'application/json' };
  const body = '{"text":"Grüße  "}';
  const atMs = Date.UTC(2026, 10, 29, 16, 1, 2);
  const own = signedHeaders(
    { origin, path, headers, body, region: 'us-east-1', service: 'bedrock', atMs },
    { ...credentials, sessionToken },
  );
  const signer = new AwsV4Signer({
    url: origin + path,
    method: 'POST',
    headers,
    body,
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: 'bedrock',
    region: 'us-east-1',
    datetime: '20261129T160102Z',
    allHeaders: true,
  });
  expect(own['authorization']).toBe(await signer.sign().then((signed) => signed.headers.get('authorization')));
});
