/** What nodemailer tells of a failed delivery. */
interface DeliveryError {
  code?: unknown;
  responseCode?: unknown;
}

/** The mail itself, or whom it is for, was refused: by the server, or by nodemailer before it was asked. */
const ABOUT_THE_MAIL: readonly unknown[] = ['EENVELOPE', 'EMESSAGE'];

/**
 * 5xx that mean "authenticate first" or "not without TLS". They are about our configuration, and when that is mended
 * the mails must not be gone.
 */
const ABOUT_THE_CONFIGURATION: readonly unknown[] = [530, 534, 535, 538];

/**
 * Whether trying again cannot help: the server refused this mail for good (5xx), or it could not even be offered.
 * Everything else may be over by the next attempt: 4xx, a server that is away, a wrong password, a greeting of 554.
 */
export function isPermanentFault(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, responseCode } = error as DeliveryError;
  if (!ABOUT_THE_MAIL.includes(code) || ABOUT_THE_CONFIGURATION.includes(responseCode)) return false;
  return typeof responseCode === 'number' ? responseCode >= 500 : true;
}
