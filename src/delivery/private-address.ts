import ipaddr from 'ipaddr.js';

/**
 * Ranges that lead to no public host although ipaddr.js classifies them as unicast: one cloud's address for its
 * internal services, IPv4 inside IPv6, segment routing, documentation, and the ranges that IANA reserves for protocols.
 */
const ALSO_PRIVATE_4 = ['168.63.129.16/32'].map((range) => ipaddr.IPv4.parseCIDR(range));
const ALSO_PRIVATE_6 = ['::/96', '100::/32', '2001::/23', '3fff::/20', '5f00::/16'].map((range) =>
  ipaddr.IPv6.parseCIDR(range),
);

/**
 * Whether an IP address is loopback, link-local, private, reserved, or does not belong to a public host for another
 * reason.
 */
export function isPrivateAddress(text: string): boolean {
  // `::ffff:127.0.0.1` is 127.0.0.1.
  const address = ipaddr.process(text);
  if (address.range() !== 'unicast') return true;
  return address instanceof ipaddr.IPv4
    ? ALSO_PRIVATE_4.some((range) => address.match(range))
    : ALSO_PRIVATE_6.some((range) => address.match(range));
}
