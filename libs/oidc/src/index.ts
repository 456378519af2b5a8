export { type Identified, IdentityProvider, type ProviderOptions, type Unavailable, type Unknown } from './identity-provider.js';
export { type Claims, principalOfClaims } from './principal-of-claims.js';
