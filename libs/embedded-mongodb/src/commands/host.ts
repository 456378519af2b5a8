import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { availableParallelism, cpus, hostname, machine, release, totalmem, type } from 'node:os';
import { Doc, type Value } from '../bson/values.js';
import { now } from './call.js';

const MEGABYTE = 1_048_576;

/** The machine, as returned by `hostInfo`. What the system does not provide is omitted. */
export const hostDescription = (): Readonly<Record<string, Value | undefined>> => {
  const processors = processorsOf(beginningOf('/proc/cpuinfo', MEGABYTE));
  const numaNodes = namesIn('/sys/devices/system/node').filter((name) => /^node\d+$/.test(name)).length;
  const limit = Math.min(totalmem(), process.constrainedMemory() || totalmem());
  const [name, version] = distribution(beginningOf('/etc/os-release', 4096));
  return {
    system: Doc.from({
      currentTime: now(),
      hostname: hostname(),
      cpuAddrSize: 64,
      memSizeMB: BigInt(Math.floor(totalmem() / MEGABYTE)),
      memLimitMB: BigInt(Math.floor(limit / MEGABYTE)),
      numCores: cpus().length,
      numCoresAvailableToProcess: availableParallelism(),
      numPhysicalCores: processors?.cores,
      numCpuSockets: processors?.sockets,
      cpuArch: machine(),
      numaEnabled: numaNodes > 1,
      numNumaNodes: numaNodes || undefined,
    }),
    os: Doc.from({ type: type(), name: name ?? type(), version: version ?? release() }),
    extra: Doc.from({
      versionString: beginningOf('/proc/version', 4096)?.trim() ?? `${type()} ${release()}`,
      kernelVersion: release(),
      pageSize: pageSize(beginningOf('/proc/self/smaps', 4096)),
    }),
  };
};

/** The first bytes of a file that only some systems have. */
const beginningOf = (path: string, bytes: number): string | undefined => {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const buffer = Buffer.alloc(bytes);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, bytes, 0));
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
};

const namesIn = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
};

/** The number of sockets and cores in Linux's processor information; virtual processors have neither. */
const processorsOf = (text = ''): { readonly sockets: number; readonly cores: number } | undefined => {
  const told = (entry: string, key: string): string | undefined => new RegExp(`^${key}\\s*: (\\d+)$`, 'm').exec(entry)?.[1];
  const entries = text.split('\n\n').filter((entry) => told(entry, 'physical id') !== undefined);
  if (!entries.length) return undefined;
  return {
    sockets: new Set(entries.map((entry) => told(entry, 'physical id'))).size,
    cores: new Set(entries.map((entry) => `${told(entry, 'physical id')}/${told(entry, 'core id')}`)).size,
  };
};

/** Name and version of a Linux distribution. */
const distribution = (text = ''): readonly (string | undefined)[] =>
  ['NAME', 'VERSION_ID'].map((key) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1]);

const pageSize = (text = ''): number | undefined => {
  const kilobytes = /^KernelPageSize:\s+(\d+) kB$/m.exec(text)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
};
