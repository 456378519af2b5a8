import { randomUUID } from 'node:crypto';

/** A new UUID, as the content of a Binary of subtype 4. */
export const newUuid = (): Buffer => Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
