import { isCrossSiteWrite } from './authenticator.js';

const PUBLIC = 'https://imports.example.org';
const host = 'inner:3000';

describe('isCrossSiteWrite', () => {
  it.each(['GET', 'HEAD', 'OPTIONS'])('allows every %s, which changes nothing', (method) => {
    expect(isCrossSiteWrite(method, { 'sec-fetch-site': 'cross-site', host }, PUBLIC)).toBe(false);
  });

  it.each([
    ['cross-site', true],
    ['same-site', true],
    ['same-origin', false],
    ['none', false],
  ])('trusts Sec-Fetch-Site: %s', (site, expected) => {
    expect(isCrossSiteWrite('POST', { 'sec-fetch-site': site, host }, PUBLIC)).toBe(expected);
  });

  it('trusts Sec-Fetch-Site over Origin', () => {
    const headers = { 'sec-fetch-site': 'cross-site', origin: PUBLIC, host };
    expect(isCrossSiteWrite('POST', headers, PUBLIC)).toBe(true);
  });

  it.each([
    ['http://inner:3000', false],
    ['https://imports.example.org', false],
    ['https://evil.example', true],
    ['https://imports.example.org.evil.example', true],
    ['http://inner:3001', true],
    ['null', true],
    ['', true],
  ])('compares Origin %j with Host and the public address on plain http', (origin, expected) => {
    expect(isCrossSiteWrite('DELETE', { origin, host }, PUBLIC)).toBe(expected);
  });

  it('rejects the public name on plain http if the public URL is https', () => {
    const headers = { origin: 'http://imports.example.org', host: 'imports.example.org' };
    expect(isCrossSiteWrite('POST', headers, PUBLIC)).toBe(true);
    expect(isCrossSiteWrite('POST', headers, 'http://imports.example.org')).toBe(false);
  });

  it('refuses a write with neither header', () => {
    expect(isCrossSiteWrite('POST', { host }, PUBLIC)).toBe(true);
  });
});
