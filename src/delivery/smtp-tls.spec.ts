import { isLoopback } from './mailer.js';

/** Break it: in `isLoopback`, compare the beginning of the host name only. */
describe('TLS to the SMTP server', () => {
  it.each([
    'smtp://localhost:1025',
    'smtp://127.0.0.1',
    'smtp://user:secret@127.5.5.5:25',
    'smtp://[::1]:25',
  ])('is not required on this machine: %s', (url) => expect(isLoopback(url)).toBe(true));

  it.each([
    'smtp://mail.example.org',
    'smtp://10.0.0.1:25',
    'smtp://127.0.0.1.example.org',
    'smtp://localhost.example.org',
  ])('is required elsewhere: %s', (url) => expect(isLoopback(url)).toBe(false));
});
