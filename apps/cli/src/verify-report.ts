import { readFile } from 'node:fs/promises';
import { eventsOfPack } from '#audit';
import type { EventMetadata } from '#eventsourcing';
import { isFields, omitUndefined, type ReportedEvent, type RootCauseReport } from '#ticketing';
import { digestOfReport } from '#ticketing-app';
import { Complaint } from './complaint.js';

/** The part of a pack's events that is compared with a report. */
type Packed = Pick<ReportedEvent, 'type' | 'happenedAt' | 'knownAt' | 'hash'>;

/** Whether a root cause report agrees with the events in a pack. @returns the differences; none if the report is correct */
export async function differencesOfReport(file: string, pack: Uint8Array): Promise<readonly string[]> {
  const report = await readReport(file);
  const events = packedEvents(pack);
  const told = [
    ...report.timeline,
    ...report.knowledge.toldLate.map(({ event }) => event),
    ...report.knowledge.people.map(({ act }) => act),
  ];
  const streams = report.proof.streams.map(({ stream, revision, hash }) => ({ subject: stream.replace('-', '/'), revision, hash }));
  return [
    ...(digestOfReport(report) === report.digest ? [] : ['its digest is not that of its content']),
    ...new Set(
      [...streams, ...told].flatMap((one) => {
        const name = `${one.subject}/${one.revision}`;
        const packed = events.get(name);
        if (packed === undefined) return [`${name} is not in the pack`];
        const { hash, type, happenedAt, knownAt } = { ...packed, ...one };
        const isSame = hash === packed.hash && type === packed.type && happenedAt === packed.happenedAt && knownAt === packed.knownAt;
        return isSame ? [] : [`${name} is not as in the pack`];
      }),
    ),
  ];
}

async function readReport(file: string): Promise<RootCauseReport> {
  const hint = '`tierline report root-cause --format json` writes one';
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Complaint(`The report cannot be read: ${error.message}`, hint);
  });
  try {
    const report: unknown = JSON.parse(text);
    if (isFields(report) && isFields(report['proof']) && isFields(report['knowledge'])) return report as unknown as RootCauseReport;
  } catch {
    // Not JSON, so not a report.
  }
  throw new Complaint(`${file} is no root cause report`, hint);
}

function packedEvents(pack: Uint8Array): ReadonlyMap<string, Packed> {
  return new Map(
    Array.from(eventsOfPack(pack), ({ stream, revision, type, metadata }) => {
      const { effectiveAt: happenedAt, recordedAt: knownAt, hash } = metadata as Partial<EventMetadata>;
      return [`${stream.replace('-', '/')}/${revision}`, omitUndefined({ type, happenedAt, knownAt, hash }) as Packed];
    }),
  );
}
