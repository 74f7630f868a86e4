import { eventually } from '../support/eventually.js';
import { NotificationFixture } from '../support/notification-fixture.js';
import { PrivateRedis } from '../support/private-redis.js';
import { SmtpSink } from '../support/smtp-sink.js';

describe('when Redis fails', () => {
  let redis: PrivateRedis;
  let sink: SmtpSink;
  let fixture: NotificationFixture;

  beforeAll(async () => {
    redis = await PrivateRedis.start();
    sink = await SmtpSink.start();
    fixture = await NotificationFixture.start({ REDIS_URL: redis.url, SMTP_URL: sink.url });
  });
  afterAll(async () => {
    await fixture.stop();
    await sink.down();
    await redis.stop();
  });

  const sent = (id: number) =>
    eventually(async () => (await fixture.row(id)).status === 'sent', `mail ${id} to be sent`);

  it('waking a mail neither throws nor hangs, and the mail goes out once it is back', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'redis@example.org');
    await redis.down();
    await fixture.wake(id);
    await fixture.outbox.wake('batch_mail', [id], 10);
    await fixture.outbox.wakeDue();
    expect(await fixture.row(id)).toMatchObject({ status: 'pending', attempts: 0 });

    await redis.up();
    await eventually(async () => {
      await fixture.outbox.wakeDue();
      return (await fixture.row(id)).status === 'sent';
    }, 'the mail to be sent');
    expect(sink.mailsTo('redis@example.org')).toHaveLength(1);
  });

  it('and loses a mail that waited for its next attempt, the mail is sent when it is due', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'flushed@example.org');
    await sink.down();
    await fixture.sender.send(id);
    await redis.flushAll();
    await sink.up();
    await eventually(async () => {
      await fixture.outbox.wakeDue();
      return (await fixture.row(id)).status !== 'pending';
    }, 'the mail to be claimed');
    await sent(id);
    expect(sink.mailsTo('flushed@example.org')).toHaveLength(1);
  });

  it('mails are sent without it, by direct calls', async () => {
    const id = await fixture.owe(await fixture.storeBatch(), 'without@example.org');
    await redis.down();
    expect(await fixture.sender.send(id)).toBe('sent');
    await redis.up();
  });
});
