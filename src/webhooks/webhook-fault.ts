/** A webhook that was not delivered. */
export class WebhookFault extends Error {
  override readonly name = 'WebhookFault';

  constructor(
    message: string,
    /** Whether trying again cannot help. */
    readonly isPermanent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
