import { hashPassword, isOutdatedHash, passwordMatches } from './passwords.js';

describe('the hash of a password', () => {
  it('matches its password and no other', async () => {
    const hash = await hashPassword('correct horse');
    await expect(passwordMatches('correct horse', hash)).resolves.toBe(true);
    await expect(passwordMatches('correct horsf', hash)).resolves.toBe(false);
    await expect(passwordMatches('', hash)).resolves.toBe(false);
  });

  it('differs each time and does not contain the password', async () => {
    const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
    expect(one).not.toBe(two);
    expect(one).toMatch(/^\$scrypt\$ln=15,r=8,p=3\$[\w-]{22}\$[\w-]{43}$/);
    expect(one).not.toContain('correct');
  });

  it('matches the same password typed on another keyboard', async () => {
    const hash = await hashPassword('Z\u00fcrich bleibt');
    await expect(passwordMatches('Zu\u0308rich bleibt', hash)).resolves.toBe(true);
  });

  it('is read with its own parameters, and is known to be outdated', async () => {
    // RFC 7914, section 12: scrypt("password", "NaCl", N=1024, r=8, p=16), its first 32 bytes.
    const key = Buffer.from('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162', 'hex');
    const salt = Buffer.from('NaCl').toString('base64url');
    const stored = `$scrypt$ln=10,r=8,p=16$${salt}$${key.toString('base64url')}`;
    await expect(passwordMatches('password', stored)).resolves.toBe(true);
    await expect(passwordMatches('Password', stored)).resolves.toBe(false);
    expect(isOutdatedHash(stored)).toBe(true);
    expect(isOutdatedHash(await hashPassword('password'))).toBe(false);
  });

  it('of an unknown user matches nothing', async () => {
    await expect(passwordMatches('correct horse', undefined)).resolves.toBe(false);
  });

  it('causes an error when it is damaged, not a refusal', async () => {
    await expect(passwordMatches('a', 'plain text')).rejects.toThrow('$scrypt$');
  });
});
