import { ValidateBy } from 'class-validator';

interface ServerUrlForm {
  /** As in the URL, with the colon. */
  protocols: readonly string[];
  example: string;
  /** Left out: any. */
  path?: RegExp;
  /** Whether the host may be missing, for servers that are also reached by a socket. */
  hostOptional?: boolean;
}

/**
 * A URL that leads to a server. Read by Node's own parser, since that is what the clients read it with: whatever it
 * refuses here would end in a stack of theirs later. `@IsUrl` knows neither sockets nor passwords with a colon in them.
 */
export function IsServerUrl(form: ServerUrlForm): PropertyDecorator {
  return ValidateBy({
    name: 'isServerUrl',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isServerUrl(value, form),
      defaultMessage: () =>
        `$property must look like ${form.example}, with special characters of the password percent-encoded`,
    },
  });
}

function isServerUrl(text: string, { protocols, path = /^/, hostOptional = false }: ServerUrlForm): boolean {
  // pg takes user@/database?host=/a/socket, which is no URL, and reads it like this.
  const readable = hostOptional ? text.replace('@/', '@localhost/') : text;
  if (!URL.canParse(readable)) return false;
  const url = new URL(readable);
  return (
    protocols.includes(url.protocol) &&
    (hostOptional ? readable.includes('://') : url.hostname !== '') &&
    url.port !== '0' &&
    path.test(url.pathname) &&
    [url.username, url.password, url.hostname].every(isPercentEncoded)
  );
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
