import { lookup as lookUp, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Where requests may go: public addresses, and configured networks. */
export class Networks {
  readonly #named: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];

  /** @param named in CIDR notation */
  constructor(named: readonly string[]) {
    this.#named = named.map((network) => ipaddr.parseCIDR(network));
  }

  /** Whether an address is in a configured network. */
  isNamed(address: string): boolean {
    // An IPv4-mapped IPv6 address counts as the IPv4 address.
    const parsed = ipaddr.process(address);
    return this.#named.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network as never, bits));
  }

  /** Private, loopback, link-local, shared, reserved and tunnelled addresses are not public. */
  allows(address: string, { tls }: { readonly tls: boolean }): boolean {
    return this.isNamed(address) || (tls && ipaddr.process(address).range() === 'unicast');
  }

  /**
   * Why requests to a URL can never be allowed, if so. A host name is checked when it is resolved, unless none of its possible addresses
   * would do.
   */
  forbids({ hostname, protocol }: URL): Error | undefined {
    const how = { tls: protocol === 'https:' };
    const address = hostname.replace(/^\[|\]$/g, '');
    const mayBe = isIP(address) === 0 ? how.tls || this.#named.length > 0 : this.allows(address, how);
    return mayBe ? undefined : new AddressForbidden(hostname, how);
  }

  /** Resolves a host name for a connection: exactly the checked address is used, even if DNS changes meanwhile. */
  lookup(how: { readonly tls: boolean }): LookupFunction {
    return (hostname, options, done) => {
      lookUp(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) return done(error, []);
        const allowed = (addresses as LookupAddress[]).filter(({ address }) => this.allows(address, how));
        const [first] = allowed;
        if (first === undefined) return done(new AddressForbidden(hostname, how), []);
        if (options.all) done(null, allowed);
        else done(null, first.address, first.family);
      });
    };
  }
}

class AddressForbidden extends Error {
  override readonly name = 'AddressForbidden';
  constructor(hostname: string, { tls }: { readonly tls: boolean }) {
    super(
      `${hostname} has no address that requests ${tls ? '' : 'without TLS '}may go to: ${tls ? 'it is not public, and not' : 'it is not'} in WEBHOOK_NETWORKS`,
    );
  }
}
