// Makes host-tokens.json: session tokens as the real libraries write them, at a fixed time.
// In an empty folder: npm install @auth/core@0.41.3 next-auth@4.24.15 jose@6, then
// node host-tokens.mjs > host-tokens.json
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'index.js'))
const load = (name) => import(require.resolve(name))

const issuedAt = 1704067200 // 1 January 2024, 00:00 UTC
Date.now = () => issuedAt * 1000
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...parts) { parts.length ? super(...parts) : super(issuedAt * 1000) }
  static now() { return issuedAt * 1000 }
}

const core = await load('@auth/core/jwt')
const old = await load('next-auth/jwt')
const { SignJWT, UnsecuredJWT } = await load('jose')

const secret = 'a secret that the host application shares'
const hour = 3600
const century = 100 * 365 * 86400
const claims = { sub: 'host-7', name: 'Maya Kim', email: 'Maya@example.com' }
const large = { ...claims, picture: 'x'.repeat(5000) }
const v5 = (salt, token, maxAge) => core.encode({ token, secret, salt, maxAge })
const v4 = (token, maxAge) => (old.encode ?? old.default.encode)({ token, secret, maxAge })
const bytes = new TextEncoder().encode(secret)
const handOver = (changes, algorithm = 'HS256') => {
  const body = { email: 'maya@example.com', aud: 'https://billing.example', jti: 'jti-00000001',
    iat: issuedAt, exp: issuedAt + 60, ...changes }
  return new SignJWT(body).setProtectedHeader({ alg: algorithm, typ: 'JWT' }).sign(bytes)
}

console.log(JSON.stringify({
  secret,
  issuedAt,
  'authjs.session-token': await v5('authjs.session-token', claims, hour),
  '__Secure-authjs.session-token': await v5('__Secure-authjs.session-token', claims, hour),
  'authjs.session-token century': await v5('authjs.session-token', claims, century),
  'authjs.session-token large': await v5('authjs.session-token', large, century),
  'authjs.session-token unverified':
    await v5('authjs.session-token', { ...claims, email_verified: false }, century),
  'next-auth.session-token': await v4(claims, hour),
  'next-auth.session-token century': await v4(claims, century),
  'next-auth.session-token large': await v4(large, century),
  'hand-over': await handOver({}),
  'hand-over HS512': await handOver({}, 'HS512'),
  'hand-over none': new UnsecuredJWT({ email: 'maya@example.com' })
    .setAudience('https://billing.example').setJti('jti-00000002')
    .setIssuedAt(issuedAt).setExpirationTime(issuedAt + 60).encode(),
}, null, 1))
