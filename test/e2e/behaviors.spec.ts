import type { WorkflowDefinition } from '../../src/workflows/definition.js';
import { eventually } from '../support/eventually.js';
import { ImportClient, jsonl, member, MEMBER_WORKFLOW } from '../support/import-client.js';
import { SmtpSink } from '../support/smtp-sink.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';

const SECRET = `whsec_${Buffer.alloc(32, 's').toString('base64')}`;
const HIDDEN = '********';

interface Behavior {
  id: number;
  kind: string;
  status: string;
  attempts: number;
}

describe('behaviors over HTTP', () => {
  let sink: SmtpSink;
  let receiver: WebhookReceiver;
  let app: TestApp;
  let client: ImportClient;
  let workflow: WorkflowDefinition;
  let processId: number;
  let mutedProcessId: number;

  beforeAll(async () => {
    sink = await SmtpSink.start();
    receiver = await WebhookReceiver.start();
    app = await startTestApp({ SMTP_URL: sink.url, ALLOW_PRIVATE_TARGETS: 'true' });
    client = new ImportClient(app.url);
    workflow = withBehaviors(receiver.url);
    processId = await client.setUp(workflow);
    mutedProcessId = await client.setUp(workflow, { muteBehaviors: true });
  });
  afterAll(async () => {
    await app.close();
    await receiver.stop();
    await sink.down();
  });

  const importMember = async (n: number, importProcessId: number, more = {}) => {
    const { body } = await client.createBatch(jsonl([member(n, more)]), { importProcessId });
    const batch = await client.ended(body.WORKFLOW_IMPORT_QUEUE_BATCH_ID);
    expect(batch.status).toBe('completed');
    const page = await client.get(
      `/API/Workflows/${workflow.name}/Instances?identifier=${encodeURIComponent(`:UniqueId:M-${n}`)}`,
    );
    return page.body.items[0];
  };
  const path = (id: number) => `/API/Workflows/${workflow.name}/Instances/${id}`;
  const behaviorsOf = async (id: number): Promise<Behavior[]> =>
    (await client.get(path(id))).body.behaviors.items;
  const sent = (id: number, count: number) =>
    eventually(async () => {
      const behaviors = await behaviorsOf(id);
      const all = behaviors.length === count && behaviors.every(({ status }) => status === 'sent');
      return all ? behaviors : null;
    }, 'all behaviors to be sent');

  const withKey = async (permissions: string[], importProcessIds?: number[]) => {
    const { body } = await client.post('/API/ApiKeys', { name: 'key', permissions, importProcessIds });
    return new ImportClient(app.url, body.key);
  };

  /** Break it: in `visibleBehavior`, answer the behavior as it is. */
  it('show the whole URL of a webhook to callers who may configure, and only its host to others', async () => {
    const { id } = await importMember(90, processId);
    const [webhook] = await sent(id, 2);
    const viewer = await withKey(['ViewImports', 'ManageImports']);
    const host = new URL(receiver.url).host;
    const shown = (await viewer.get(path(id))).body.behaviors.items;
    expect(shown.map(({ recipient }: { recipient: string }) => recipient)).toEqual([
      host,
      'person90@example.org',
    ]);
    const again = await viewer.post(`${path(id)}/Behaviors/${webhook!.id}/Resend`);
    expect([again.status, again.body.recipient]).toEqual([202, host]);
    expect((await client.get(path(id))).body.behaviors.items[0].recipient).toBe(receiver.url);
  });

  /** Break it: in `isOfProcesses`, accept every message. */
  it('are hidden, with their workflow, from keys limited to other import processes', async () => {
    const { id } = await importMember(91, processId);
    const [webhook] = await sent(id, 2);
    const permissions = ['ViewImports', 'ManageImports'];
    const sharing = await withKey(permissions, [mutedProcessId]);
    const instance = await sharing.get(path(id));
    expect([instance.status, instance.body.behaviors.items]).toEqual([200, []]);
    expect((await sharing.post(`${path(id)}/Behaviors/${webhook!.id}/Resend`)).status).toBe(404);
    const other = await withKey(permissions, [await client.setUp({ ...workflow, name: 'elsewhere' })]);
    expect((await other.get(path(id))).status).toBe(403);
  });

  it('are resent only by callers who may read them', async () => {
    const { id } = await importMember(92, processId);
    const [webhook] = await sent(id, 2);
    const manager = await withKey(['ManageImports']);
    expect((await manager.post(`${path(id)}/Behaviors/${webhook!.id}/Resend`)).status).toBe(403);
  });

  it('follow each record that changes something, and are listed with the instance', async () => {
    const { id, attributes, status } = await importMember(1, processId);
    expect([attributes.Notes, attributes.Level, status]).toEqual(['First 1 <person1@example.org>', 'Fellow', 'completed_successfully']); // prettier-ignore
    const behaviors = await sent(id, 2);
    expect(behaviors).toMatchObject([
      { kind: 'webhook', action: 'Finish', line: 1, recipient: receiver.url, attempts: 1, lastError: null },
      {
        kind: 'sendEmail',
        action: 'Grant',
        line: 1,
        recipient: 'person1@example.org',
        subject: 'Welcome First 1',
      },
    ]);
    expect(JSON.stringify(behaviors)).not.toContain('whsec_');
    expect(sink.mailsTo('person1@example.org')).toHaveLength(1);

    await importMember(1, processId);
    expect(await behaviorsOf(id)).toHaveLength(2);
  });

  it('are muted by an import process that says so, except for changes of the instance', async () => {
    const { id, attributes, status } = await importMember(2, mutedProcessId);
    expect([attributes.Notes, status]).toEqual(['First 2 <person2@example.org>', 'completed_successfully']);
    expect(await behaviorsOf(id)).toEqual([]);
    const wrong = await client.post('/API/WorkflowImportQueue/ImportProcesses', {
      ...{ name: 'Wrong', description: '', note: '', icon: '', displayOrder: 1, status: 'active' },
      target: { kind: 'workflow', workflow: workflow.name, step: 'Import', onNoMatch: 'create', onMatch: 'update', muteBehaviors: 'yes' }, // prettier-ignore
    });
    expect([wrong.status, wrong.body.errors]).toEqual([
      400,
      [expect.objectContaining({ pointer: '/target/muteBehaviors', code: 'invalid_value' })],
    ]);
  });

  it('can be sent again, as they were', async () => {
    const { id } = await importMember(3, processId);
    const [webhook, mail] = (await sent(id, 2)) as [Behavior, Behavior];
    const resend = (behaviorId: number | string) => client.post(`${path(id)}/Behaviors/${behaviorId}/Resend`);
    expect(await resend(mail.id)).toMatchObject({ status: 202, body: { id: mail.id, status: 'pending' } });
    expect((await resend(webhook.id)).status).toBe(202);
    await eventually(() => sink.mailsTo('person3@example.org').length === 2, 'the second mail');
    const [first, second] = sink.mailsTo('person3@example.org');
    expect([second!.subject, second!.text]).toEqual([first!.subject, first!.text]);
    expect(second!.messageId).not.toBe(first!.messageId);
    const ours = () => receiver.received.filter(({ body }) => JSON.parse(body).data.instanceId === id);
    await eventually(() => ours().length === 2, 'the second webhook');
    expect(new Set(ours().map(({ headers }) => headers['webhook-id'])).size).toBe(1);

    for (const unknown of [999999, 'x', '0', '99999999999999999999']) {
      expect(await resend(unknown)).toMatchObject({ status: 404, body: { code: 'behavior_not_found' } });
    }
    const other = await importMember(4, mutedProcessId);
    const elsewhere = await client.post(`${path(other.id)}/Behaviors/${mail.id}/Resend`);
    expect([elsewhere.status, elsewhere.body.code]).toEqual([404, 'behavior_not_found']);
  });

  it('that are being sent are left alone', async () => {
    sink.hold();
    try {
      const { id } = await importMember(5, processId);
      const mail = await eventually(async () => {
        const found = (await behaviorsOf(id)).find(({ kind }) => kind === 'sendEmail');
        return found?.status === 'sending' ? found : null;
      }, 'the mail to be on its way');
      const answer = await client.post(`${path(id)}/Behaviors/${mail.id}/Resend`);
      expect([answer.status, answer.body.code, answer.body.currentStatus]).toEqual([
        409,
        'state_conflict',
        'sending',
      ]);
    } finally {
      sink.release();
    }
  });

  it('keep their secrets: hidden when read, and kept when sent back', async () => {
    const place = `/API/Workflows/${workflow.name}`;
    const read = await client.get(place);
    expect(JSON.stringify(read.body)).not.toContain('whsec_');
    expect(read.body.steps[0].actions[1].behaviors[0].secret).toBe(HIDDEN);
    expect((await client.call('PUT', place, { body: read.body })).status).toBe(200);
    const { id } = await importMember(6, processId);
    await sent(id, 2);
    expect(receiver.received.at(-1)!.headers['webhook-signature']).toMatch(/^v1,/);

    const { version: _, ...elsewhere } = structuredClone(read.body);
    elsewhere.steps[0].actions[1].behaviors[0].url = 'https://example.org/';
    const refused = await client.call('PUT', place, { body: elsewhere });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([
      400,
      '/steps/0/actions/1/behaviors/0/secret',
    ]);
  });
});

function withBehaviors(url: string): WorkflowDefinition {
  const [step] = MEMBER_WORKFLOW.steps;
  const [grant] = step!.actions;
  return {
    ...MEMBER_WORKFLOW,
    name: 'with-behaviors',
    steps: [
      {
        ...step!,
        actsOnTerminal: true,
        actions: [
          {
            ...grant!,
            behaviors: [
              {
                kind: 'sendEmail',
                to: ':Email',
                subject: 'Welcome {{First Name}}',
                template: 'Dear {{First Name}}',
              },
              { kind: 'setAttribute', name: 'Notes', value: '{{First Name}} <{{:Email}}>' },
              { kind: 'performAction', action: 'Finish' },
            ],
          },
          {
            id: 12,
            name: 'Finish',
            inputs: [],
            primary: { kind: 'completeSuccessfully' },
            behaviors: [{ kind: 'webhook', url, secret: SECRET }],
          },
        ],
      },
    ],
  };
}
