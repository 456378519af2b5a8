import type { Mongo } from '#mongo';

/** What became of a message that came in by e-mail. */
export interface InboundMailRecord {
  /** Its id: of the client and the Message-ID. */
  readonly mail: string;
  /** Its Message-ID. */
  readonly message: string;
  /** The client that its sender belongs to; empty where that is not known. */
  readonly client: string;
  /** `aside`: it was not taken, or not wholly; kept with its reason. */
  readonly outcome: 'opened' | 'replied' | 'aside';
  readonly at: string;
  readonly ticketId?: string;
  readonly reason?: string;
  /** Of one that is kept aside: who sent it, about what, and the SHA-256 by which it is kept whole as an attachment. */
  readonly from?: string;
  readonly subject?: string;
  readonly sha256?: string;
}

export const INBOUND_MAIL = 'inbound_mail';

export function inboundMail(db: Mongo['db']) {
  return db.collection<InboundMailRecord & { readonly _id: string }>(INBOUND_MAIL);
}
