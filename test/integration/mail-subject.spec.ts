import { simpleParser } from 'mailparser';
import { createTransport } from 'nodemailer';
import { literalHeader } from '../../src/delivery/mailer.js';

/** The subject that a mail client shows. */
async function shownSubject(subject: string): Promise<string | undefined> {
  const transport = createTransport({ streamTransport: true, buffer: true });
  const mail = { from: 'a@example.org', to: 'b@example.org', subject: literalHeader(subject), text: '.' };
  const { message } = await transport.sendMail(mail);
  return (await simpleParser(message)).subject;
}

describe('the subject of a mail', () => {
  /** Break it: return the text unchanged. */
  it.each([
    'Import succeeded: =?utf-8?q?evil?= subject',
    `Import succeeded: =?utf-8?B?ZXZpbA==?= ${'lång ä '.repeat(20)}.csv`,
    'Import succeeded: members.csv',
    'Import succeeded: Mitglieder für März.csv',
  ])('is shown as it was written: %s', async (subject) => {
    expect(await shownSubject(subject)).toBe(subject);
  });
});
