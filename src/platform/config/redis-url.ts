/** Where Redis is, as REDIS_URL says. */
export interface RedisServers {
  /** `sentinel`: the nodes are Sentinels, which know the master; `cluster`: the nodes are some of the cluster's. */
  kind: 'single' | 'sentinel' | 'cluster';
  nodes: readonly { host: string; port: number }[];
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  /** The number of the database; 0 unless the URL names another one. */
  database: number;
  /** The name under which the Sentinels know the master; empty without Sentinels. */
  master: string;
  sentinelPassword: string | undefined;
}

export const REDIS_URL_FORMS =
  'redis://:password@host:6379/0, redis+sentinel://:password@host1,host2,host3/master or redis+cluster://:password@host1,host2';

const FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/@?#]+)(?<path>\/[^?#]*)?(?:\?sentinelPassword=(?<sentinelPassword>[^&#]+))?$/;
const HOST = /^(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<name>[\w.-]+))(?::(?<port>\d{1,5}))?$/;
const PATHS = {
  single: /^\/?(?<database>\d{0,9})$/,
  sentinel: /^\/(?<master>[\w.-]+)(?:\/(?<database>\d{1,9}))?$/,
  cluster: /^\/?$/,
};
const DEFAULT_PORTS = { single: 6379, sentinel: 26379, cluster: 6379 };

/** Reads REDIS_URL, of which `URL` understands only the form with one host; `null` if it has none of the forms. */
export function readRedisUrl(url: string): RedisServers | null {
  const given = FORM.exec(url)?.groups;
  if (given === undefined) return null;
  const kind = (given.kind ?? 'single') as RedisServers['kind'];
  const path = PATHS[kind].exec(given.path ?? '')?.groups;
  const nodes = (given.hosts ?? '').split(',').map((host) => readNode(host, DEFAULT_PORTS[kind]));
  if (path === undefined && kind !== 'cluster') return null;
  if (kind === 'cluster' && !PATHS.cluster.test(given.path ?? '')) return null;
  if (kind === 'single' && nodes.length > 1) return null;
  if (given.sentinelPassword !== undefined && kind !== 'sentinel') return null;
  if (!nodes.every((node) => node !== null)) return null;
  try {
    return {
      kind,
      nodes,
      tls: given.tls === 's',
      username: decoded(given.user),
      password: decoded(given.password),
      database: Number(path?.database ?? 0),
      master: path?.master ?? '',
      sentinelPassword: decoded(given.sentinelPassword),
    };
  } catch {
    // Not percent-encoded.
    return null;
  }
}

function readNode(text: string, defaultPort: number): { host: string; port: number } | null {
  const found = HOST.exec(text)?.groups;
  if (found === undefined) return null;
  const port = found.port === undefined ? defaultPort : Number(found.port);
  return port < 1 || port > 65_535 ? null : { host: found.ipv6 ?? found.name ?? '', port };
}

const decoded = (text: string | undefined) => (text ? decodeURIComponent(text) : undefined);
