import { BSON } from 'mongodb';

/** Maximum number of bytes of a text to look up in the cache. */
const SHORT = 32;
/** A power of two. */
const PLACES = 8_192;

/**
 * Decodes documents like the driver, at a third of its cost: field names and short texts (tiers, clients, zones) are the same in a million
 * documents, and are made once. For reading many documents of a kind; not for concurrent use.
 */
export class BsonReader {
  /** Texts by a hash of their bytes. */
  readonly #known: (string | undefined)[] = new Array<string | undefined>(PLACES).fill(undefined);
  #bytes: Buffer = Buffer.alloc(0);
  /** Where to continue reading. */
  #at = 0;

  /** @param bytes a document, as sent by a server @throws BSONError if it is invalid */
  read(bytes: Uint8Array): object {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    const found = this.#fields({});
    // Documents with a rare type, or a rare field name, are left to the driver's own decoder.
    return found ?? BSON.deserialize(bytes);
  }

  /** The fields of the document that begins here; undefined if something in it is rare. */
  #fields<Into extends object>(into: Into): Into | undefined {
    const bytes = this.#bytes;
    const list = Array.isArray(into) ? (into as unknown[]) : undefined;
    const fields = into as Record<string, unknown>;
    this.#at += 4;
    for (let type = bytes[this.#at++]; type !== 0; type = bytes[this.#at++]) {
      const start = this.#at;
      while (bytes[this.#at] !== 0) if (++this.#at > bytes.length) return undefined;
      const end = this.#at++;
      const value = this.#value(type);
      if (value === undefined) return undefined;
      if (list !== undefined) list.push(value);
      else {
        const name = this.#text(start, end);
        if (name === '__proto__') return undefined;
        fields[name] = value;
      }
    }
    return into;
  }

  #value(type: number | undefined): unknown {
    const bytes = this.#bytes;
    const at = this.#at;
    switch (type) {
      case 0x01:
        this.#at += 8;
        return bytes.readDoubleLE(at);
      case 0x02: {
        const length = this.#int32(at);
        if (length < 1) return undefined;
        this.#at += 4 + length;
        return this.#text(at + 4, this.#at - 1);
      }
      case 0x03:
        return this.#fields({});
      case 0x04:
        return this.#fields([]);
      case 0x08:
        this.#at += 1;
        return bytes[at] === 1;
      case 0x09:
        this.#at += 8;
        return new Date(this.#int64(at));
      case 0x0a:
        return null;
      case 0x10:
        this.#at += 4;
        return this.#int32(at);
      case 0x12: {
        this.#at += 8;
        const value = this.#int64(at);
        return Number.isSafeInteger(value) ? value : undefined;
      }
      default:
        return undefined;
    }
  }

  #int32(at: number): number {
    const bytes = this.#bytes;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
  }

  #int64(at: number): number {
    return this.#int32(at + 4) * 0x1_0000_0000 + (this.#int32(at) >>> 0);
  }

  #text(start: number, end: number): string {
    const bytes = this.#bytes;
    if (end - start > SHORT) return bytes.toString('utf8', start, end);
    let hash = end - start;
    for (let at = start; at < end; at++) hash = (hash * 31 + (bytes[at] as number)) | 0;
    const place = hash & (PLACES - 1);
    const known = this.#known[place];
    if (known !== undefined && known.length === end - start && isText(known, bytes, start)) return known;
    const text = bytes.toString('utf8', start, end);
    this.#known[place] = text;
    return text;
  }
}

/** Whether the bytes are those of a text; only for ASCII texts. */
function isText(text: string, bytes: Buffer, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const byte = bytes[start + index] as number;
    if (byte > 0x7f || byte !== text.charCodeAt(index)) return false;
  }
  return true;
}
