export * from './config.js';
export { type HttpConfig, type RateLimitConfig, type TimeoutConfig, TIMEOUTS } from './http-config.js';
export { keptSecret } from './kept-secret.js';
export * from './logging.js';
export type { MailConfig, NotificationConfig } from './notification-config.js';
export type { ClaimsConfig, OidcConfig } from './oidc-config.js';
export * from './parameters.js';
export * from './terminal.js';
export { Turns } from './turns.js';
