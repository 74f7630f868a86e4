/**
 * An OpenID Connect provider (oidc-provider) in a process of its own: Jest runs CommonJS, the provider is an ES module.
 * `identity-provider.ts` starts it and tells it what to do next.
 */
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const newKey = () => ({
  id: randomUUID(),
  privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
});
let key = newKey();

/** Who signs in next, and how the next ID token is forged. */
const state = { subject: 'nobody', claims: {}, forgery: null };

const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(payload) {
  const content = `${encode({ alg: 'RS256', kid: key.id, typ: 'JWT' })}.${encode(payload)}`;
  return `${content}.${createSign('RSA-SHA256').update(content).sign(key.privateKey).toString('base64url')}`;
}

/** All but `signature` are signed with the right key, so that only the check of the claim can refuse them. */
const FORGERIES = {
  nonce: (payload) => signed({ ...payload, nonce: randomUUID() }),
  slowClock: (payload) => signed({ ...payload, iat: payload.iat - 3600, exp: payload.iat - 20 }),
  fastClock: (payload) => signed({ ...payload, iat: payload.iat + 20, nbf: payload.iat + 20 }),
  notYet: (payload) => signed({ ...payload, nbf: payload.iat + 3600 }),
  expired: (payload) => signed({ ...payload, iat: payload.iat - 7200, exp: payload.iat - 3600 }),
  authTime: (payload) => signed({ ...payload, auth_time: payload.auth_time - 3600 }),
  audience: (payload) => signed({ ...payload, aud: 'another-client' }),
  issuer: (payload) => signed({ ...payload, iss: 'https://evil.example' }),
  signature: (payload, token) => {
    const [head, , signature] = token.split('.');
    return `${head}.${encode({ ...payload, groups: ['import-admins'] })}.${signature}`;
  },
};

const server = createServer((_request, response) => response.writeHead(503).end());
server.listen(0, '127.0.0.1', () => {
  process.send({ issuer: `http://127.0.0.1:${server.address().port}` });
});

function serve({ redirectUris, signOutUris, claimsInIdToken, rotatesKey }) {
  if (rotatesKey) key = newKey();
  const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
    clients: [
      {
        client_id: 'imports',
        client_secret: 'the secret of the client',
        redirect_uris: redirectUris,
        post_logout_redirect_uris: signOutUris,
      },
    ],
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['groups', 'preferred_username'],
    },
    conformIdTokenClaims: !claimsInIdToken,
    cookies: { keys: [randomUUID()] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_context, subject) => ({
      accountId: subject,
      claims: () => ({ sub: subject, ...state.claims }),
    }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [{ ...key.privateKey.export({ format: 'jwk' }), kid: key.id, use: 'sig', alg: 'RS256' }] },
    async loadExistingGrant({ oidc }) {
      const { clientId } = oidc.client;
      const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid profile email');
      await grant.save();
      return grant;
    },
    ttl: {
      Interaction: 600,
      Grant: 600,
      Session: 600,
      AccessToken: 600,
      IdToken: 600,
      AuthorizationCode: 60,
    },
  });
  provider.use(async (context, next) => {
    await next();
    const token = context.body?.id_token;
    if (token === undefined || state.forgery === null) return;
    context.body.id_token = FORGERIES[state.forgery](decode(token.split('.')[1]), token);
  });
  const answer = provider.callback();
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) return answer(request, response);
    const result = { login: { accountId: state.subject } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
}

process.on('message', (message) => {
  if (message.serve !== undefined) serve(message.serve);
  Object.assign(state, message.state);
  process.send({ done: true });
});
process.on('disconnect', () => process.exit());
