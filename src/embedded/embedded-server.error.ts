/** An embedded server cannot run here; the message is for whoever typed the command and says what to do. */
export class EmbeddedServerError extends Error {
  override readonly name = 'EmbeddedServerError';
}
