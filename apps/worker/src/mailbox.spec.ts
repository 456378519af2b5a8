import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FolderBlobStore } from '#blobs';
import { readAggregate } from '#eventsourcing';
import { pollMailbox } from '#inbound-mail';
import { createLog } from '#platform';
import { SealedBlobs } from '#privacy';
import { ticket } from '#ticketing';
import { inboundMail, mailId, openMail } from '#ticketing-app';
import { eventually, PATIENCE_MS } from '../../../test/eventually.js';
import { storeWithKeys, type TestStores, testStores } from '../../../test/stores.js';

/**
 * A mailbox that speaks as much of IMAP4rev1 as polling one takes. There is no IMAP server on npm that is small and kept up: the old ones are given up, and
 * WildDuck wants databases of its own.
 */
class Mailbox {
  readonly messages: { readonly raw: string; readonly flags: Set<string> }[] = [];
  /** Breaks the connection off instead of sending the next message. */
  breaksOff = false;
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {
    server.on('connection', (socket: Socket) => this.#serve(socket));
  }

  static async start(): Promise<Mailbox> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Mailbox(server);
  }

  get url(): string {
    return `imap://desk:s3cret@127.0.0.1:${(this.server.address() as AddressInfo).port}/INBOX?tls=none`;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const lines = createInterface({ input: socket });
    // Clients may be gone before they are answered.
    for (const emitter of [socket, lines]) emitter.on('error', () => {});
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('* OK IMAP4rev1');
    lines.on('line', (line) => {
      const [tag = '', ...words] = line.split(' ');
      const isUid = words[0]?.toUpperCase() === 'UID';
      const [command = '', range = ''] = (isUid ? words.slice(1) : words).map((word) => word.toUpperCase());
      const chosen = this.messages[Number(range) - 1];
      if (command === 'CAPABILITY') say('* CAPABILITY IMAP4rev1');
      if (command === 'LIST') say('* LIST (\\HasNoChildren) "/" INBOX');
      if (command === 'LOGOUT') say('* BYE');
      if (command === 'SELECT') {
        say(`* ${this.messages.length} EXISTS`);
        say('* FLAGS (\\Seen \\Flagged)');
        say('* OK [PERMANENTFLAGS (\\Seen \\Flagged)] .');
        say('* OK [UIDVALIDITY 1] .');
        say(`* OK [UIDNEXT ${this.messages.length + 1}] .`);
      }
      if (command === 'SEARCH') {
        const unseen = this.messages.flatMap(({ flags }, index) => (flags.has('\\Seen') ? [] : [index + 1]));
        say(`* SEARCH ${unseen.join(' ')}`.trim());
      }
      if (command === 'FETCH' && chosen !== undefined) {
        const bytes = Buffer.byteLength(chosen.raw);
        const wantsSource = line.includes('BODY');
        if (wantsSource && this.breaksOff) {
          this.breaksOff = false;
          socket.destroy();
          return;
        }
        const source = wantsSource ? ` BODY[] {${bytes}}\r\n${chosen.raw}` : '';
        say(`* ${range} FETCH (UID ${range} RFC822.SIZE ${bytes}${source})`);
      }
      if (command === 'STORE') for (const [flag] of line.matchAll(/\\\w+/g)) chosen?.flags.add(flag);
      say(`${tag} OK ${command === 'SELECT' ? '[READ-WRITE] ' : ''}done`);
      if (command === 'LOGOUT') socket.end();
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }
}

let stores: TestStores;
let mailbox: Mailbox;
beforeAll(async () => {
  [stores, mailbox] = await Promise.all([testStores(), Mailbox.start()]);
});
afterAll(async () => {
  await stores?.close();
  await mailbox?.close();
});

describe('a mailbox that is polled', () => {
  it('has its messages processed once each, from authorised senders, and marked; even if the connection breaks', async () => {
    const client = `client-${randomUUID()}`;
    const id = () => `<${randomUUID()}@northwind.example>`;
    const message = (from: string, subject: string, more = '') => {
      const raw = `From: ${from}\r\nMessage-ID: ${id()}\r\nSubject: ${subject}\r\n${more}\r\nText of ${subject}.\r\n`;
      mailbox.messages.push({ raw, flags: new Set() });
      return /^Message-ID: (.*)$/m.exec(raw)?.[1]?.trim() ?? '';
    };
    const opening = message('j.doe@northwind.example', 'first');
    const reply = message('Boss <boss@northwind.example>', 'Re: first', `In-Reply-To: ${opening}\r\n`);
    const strange = message('mallory@elsewhere.example', 'stranger');
    const away = message('j.doe@northwind.example', 'away', 'Auto-Submitted: auto-replied\r\n');
    mailbox.breaksOff = true;
    const { mongo } = stores;
    const { store, keys, attachments } = await storeWithKeys(stores);
    const blobs = new SealedBlobs(await FolderBlobStore.open(join(stores.directory, 'attachments')), attachments);
    const log = createLog('silent');
    const senders = new Map([['northwind.example', client]]);
    const poller = pollMailbox({
      store,
      db: mongo.db,
      blobs,
      keys,
      log,
      url: mailbox.url,
      senders,
      own: [],
      everyMs: 20,
      silenceMs: PATIENCE_MS,
    });
    try {
      await eventually(
        () => mailbox.messages.filter(({ flags }) => flags.has('\\Seen')).length,
        (seen) => seen === 4,
      );
    } finally {
      await poller.stop();
    }
    expect(mailbox.messages.map(({ flags }) => flags.has('\\Flagged'))).toEqual([false, false, true, true]);
    const records = await inboundMail(mongo.db).find().toArray();
    const became = Object.fromEntries(
      records.map(({ mail, outcome, reason, ticketId }) => [mail, JSON.parse(JSON.stringify({ outcome, reason, ticketId }))]),
    );
    const { ticketId = '' } = became[mailId(client, opening)] ?? {};
    expect(became).toEqual({
      [mailId(client, opening)]: { outcome: 'opened', ticketId },
      [mailId(client, reply)]: { outcome: 'replied', ticketId },
      [mailId('', strange)]: { outcome: 'aside', reason: 'unknown-sender' },
      [mailId(client, away)]: { outcome: 'aside', reason: 'auto-submitted' },
    });
    const aside = await Promise.all(records.filter(({ outcome }) => outcome === 'aside').map((record) => openMail(keys, record)));
    expect(aside.map(({ from, subject }) => `${from}: ${subject}`).sort()).toEqual([
      'j.doe@northwind.example: away',
      'mallory@elsewhere.example: stranger',
    ]);
    const { state } = await readAggregate(store, ticket, ticketId);
    expect(state).toMatchObject({ client, summary: 'first', channel: 'email', revisions: 2 });
  });
});
