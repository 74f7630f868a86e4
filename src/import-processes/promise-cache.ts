/**
 * The last `capacity` answers used, by key. Calls at the same time share one piece of work; work that fails
 * is forgotten, so that the next call tries again.
 */
export class PromiseCache<Answer> {
  private readonly answers = new Map<string, Promise<Answer>>();

  constructor(private readonly capacity: number) {}

  get(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const answer = this.answers.get(key) ?? this.begin(key, work);
    // A Map keeps insertion order: whatever was used last stands last, and the first is dropped first.
    this.answers.delete(key);
    this.answers.set(key, answer);
    const [oldest] = this.answers.keys();
    if (this.answers.size > this.capacity && oldest !== undefined) this.answers.delete(oldest);
    return answer;
  }

  private begin(key: string, work: () => Promise<Answer>): Promise<Answer> {
    const answer = work();
    answer.catch(() => {
      if (this.answers.get(key) === answer) this.answers.delete(key);
    });
    return answer;
  }
}
