import { ReceiverSlots, type Slot, WEBHOOK_SLOTS } from './webhook-dispatcher.js';

describe('the slots of a process', () => {
  const hosts = (count: number) => Array.from({ length: count }, (_, index) => `silent-${index + 1}`);
  /** Takes all slots that the hosts may have. */
  const takeAll = (slots: ReceiverSlots, names: readonly string[]): Slot[] => {
    const taken: Slot[] = [];
    for (const name of names) {
      for (let slot = slots.take(name); slot !== undefined; slot = slots.take(name)) taken.push(slot);
    }
    return taken;
  };

  it('go to one host four at a time', () => {
    const slots = new ReceiverSlots();
    const [first] = takeAll(slots, ['a']);
    expect(takeAll(slots, ['a'])).toHaveLength(0);
    first!.giveBack();
    expect(takeAll(slots, ['a'])).toHaveLength(1);
  });

  it('are left for a host that accepts webhooks, however many silent ones wait', () => {
    const slots = new ReceiverSlots();
    for (const slot of takeAll(slots, ['good'])) {
      slot.accepted();
      slot.giveBack();
    }
    takeAll(slots, hosts(100));
    expect(takeAll(slots, ['good'])).toHaveLength(4);
  });

  it('are left for a host no one knows yet, once 100 silent ones have failed', () => {
    const slots = new ReceiverSlots();
    const silent = hosts(100);
    for (const name of silent) {
      for (const slot of takeAll(slots, [name])) {
        slot.failed();
        slot.giveBack();
      }
    }
    expect(takeAll(slots, silent)).toHaveLength(16);
    expect(takeAll(slots, ['new'])).toHaveLength(4);
  });

  it('are never more than there are', () => {
    const slots = new ReceiverSlots();
    const names = hosts(100);
    for (const name of names) {
      const slot = slots.take(name)!;
      slot.accepted();
      slot.giveBack();
    }
    expect(takeAll(slots, names)).toHaveLength(WEBHOOK_SLOTS);
  });

  it('go four at a time again to a host that has recovered', () => {
    const slots = new ReceiverSlots();
    const probe = slots.take('a')!;
    probe.failed();
    probe.giveBack();
    const recovered = takeAll(slots, ['a']);
    expect(recovered).toHaveLength(1);
    recovered[0]!.accepted();
    recovered[0]!.giveBack();
    expect(takeAll(slots, ['a'])).toHaveLength(4);
  });
});
