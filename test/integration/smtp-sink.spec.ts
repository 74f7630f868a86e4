import { createTransport } from 'nodemailer';
import { SmtpSink } from '../support/smtp-sink.js';

describe('the SMTP sink of the tests', () => {
  let sink: SmtpSink;
  const send = () =>
    createTransport(sink.url).sendMail({
      from: 'a@example.org',
      to: 'b@example.org',
      subject: 'Zwölf',
      text: 'Hello',
      headers: { 'X-Batch': '17' },
    });

  beforeEach(async () => {
    sink = await SmtpSink.start();
  });
  afterEach(() => sink.down());

  it('keeps what it accepted, parsed', async () => {
    await send();
    expect(sink.mailsTo('c@example.org')).toEqual([]);
    const [mail] = sink.mailsTo('b@example.org');
    expect(mail?.subject).toBe('Zwölf');
    expect(mail?.headers.get('x-batch')).toBe('17');
  });

  it.each([451, 550])('refuses with %i on request, and accepts again', async (code) => {
    sink.refuseWith(code);
    await expect(send()).rejects.toMatchObject({ responseCode: code });
    sink.accept();
    await send();
    expect(sink).toMatchObject({ attempts: 2, mails: [{ subject: 'Zwölf' }] });
  });

  it('goes down and comes up again on the same port', async () => {
    const { url } = sink;
    await sink.down();
    await expect(send()).rejects.toMatchObject({ code: 'ESOCKET' });
    await sink.up();
    await send();
    expect(sink.url).toBe(url);
    expect(sink.mails).toHaveLength(1);
  });
});
