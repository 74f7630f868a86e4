/**
 * A map of at most `capacity` entries, so that memory stays bounded whatever the keys are. A new entry replaces the one
 * that was unused for longest.
 */
export class BoundedMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();

  constructor(private readonly capacity: number) {}

  get size(): number {
    return this.entries.size;
  }

  /** Reading an entry counts as use. */
  get(key: Key): Value | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    // A Map keeps insertion order: the entry that was used last stands last, and the first is dropped first.
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.capacity) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      break;
    }
  }

  delete(key: Key): void {
    this.entries.delete(key);
  }

  /** Deletes the entry unless it was replaced meanwhile. */
  deleteValue(key: Key, value: Value): void {
    if (this.entries.get(key) === value) this.entries.delete(key);
  }
}

/**
 * Answers of asynchronous work, by key. Concurrent calls share one piece of work; work that fails is forgotten, so that
 * the next call tries again.
 */
export class PromiseCache<Answer> {
  private readonly answers: BoundedMap<string, Promise<Answer>>;

  constructor(capacity: number) {
    this.answers = new BoundedMap(capacity);
  }

  get(key: string, work: () => Promise<Answer>): Promise<Answer> {
    return this.answers.get(key) ?? this.begin(key, work());
  }

  private begin(key: string, answer: Promise<Answer>): Promise<Answer> {
    this.answers.set(key, answer);
    answer.catch(() => this.answers.deleteValue(key, answer));
    return answer;
  }
}
