/** How the body of a webhook about a batch is written: by Standard Webhooks, or as a chat message. */
export const ENDPOINT_FORMATS = ['standard', 'slack', 'teams'] as const;
export type EndpointFormat = (typeof ENDPOINT_FORMATS)[number];

export const ENDPOINT_STATUSES = ['active', 'disabled'] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** `gone`: the receiver answered 410. */
export const DISABLED_REASONS = ['manual', 'gone'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** The event of a webhook that only shows whether an endpoint can be reached. */
export const TEST_EVENT = 'webhook.test';

export interface LoggedRequest {
  headers: Record<string, string>;
  body: string;
}

export interface LoggedAnswer {
  status: number;
  headers: Record<string, string>;
  /** Its beginning. */
  body: string;
}

/** One attempt to deliver a webhook. */
export interface LoggedAttempt {
  attempt: number;
  /** When it began. */
  at: string;
  durationMs: number;
  /** `null` if the connection was refused before anything was sent. */
  request: LoggedRequest | null;
  /** `null` if the receiver did not answer. */
  answer: LoggedAnswer | null;
  error: string | null;
}
