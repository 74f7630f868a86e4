export interface ApiAnswer {
  status: number;
  body: unknown;
}

/** The HTTP API as any client would call it. */
export class ApiClient {
  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  get<Body>(path: string): Promise<Body> {
    return this.expect<Body>('GET', path);
  }

  post<Body>(path: string, body: object | Buffer): Promise<Body> {
    return this.expect<Body>('POST', path, body);
  }

  /** @throws Error with the API's message, for answers other than 2xx. */
  private async expect<Body>(method: string, path: string, content?: object | Buffer): Promise<Body> {
    const { status, body } = await this.call(method, path, content);
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status}: ${JSON.stringify(body)}`);
    return body as Body;
  }

  async call(method: string, path: string, content?: object | Buffer): Promise<ApiAnswer> {
    const raw = Buffer.isBuffer(content);
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `apikey ${this.key}`,
        ...(content && { 'content-type': raw ? 'application/jsonl' : 'application/json' }),
      },
      body: content && (raw ? new Uint8Array(content) : JSON.stringify(content)),
    });
    return { status: response.status, body: await response.json() };
  }
}
