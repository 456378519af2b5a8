import { SingleBar } from 'cli-progress';
import { escapeNewlines, spelledOut } from '#platform';

/** Shows progress: a bar on a terminal, otherwise a line every few seconds. On standard error, so that results can be piped. */
export interface Progress {
  /** @param total undefined or 0: unknown */
  update(done: number, total: number | undefined, note?: string): void;
  /** Removes the bar, or leaves it as it is. */
  stop(): void;
}

const LINE_EVERY_MS = 5_000;

export function showProgress(what: string, unit: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? bar(what, unit, stream) : lines(what, unit, stream);
}

function bar(what: string, unit: string, stream: NodeJS.WriteStream): Progress {
  const shown = new SingleBar({
    format: `${plain(what)} {bar} {shown} {note}`,
    stream,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    barsize: 30,
    fps: 10,
  });
  return {
    update(done, total, note = '') {
      // Shown with the first update: several bars use the line one after another.
      if (!shown.isActive) shown.start(1, 0, { shown: '', note: '' });
      shown.setTotal(total || done || 1);
      shown.update(total ? Math.min(done, total) : 0, { shown: figures(done, total, unit), note: plain(note) });
    },
    stop() {
      if (shown.isActive) shown.stop();
    },
  };
}

function lines(what: string, unit: string, stream: NodeJS.WriteStream): Progress {
  let next = Date.now() + LINE_EVERY_MS;
  return {
    update(done, total, note = '') {
      if (Date.now() < next) return;
      next = Date.now() + LINE_EVERY_MS;
      stream.write(`${plain(`${what}: ${figures(done, total, unit)}${note && `, ${note}`}`)}\n`);
    },
    stop() {},
  };
}

const plain = (text: string): string => spelledOut(escapeNewlines(text));

function figures(done: number, total: number | undefined, unit: string): string {
  const number = (value: number): string => value.toLocaleString('en');
  return total
    ? `${number(done)} of ${number(total)} ${unit} (${Math.floor((100 * Math.min(done, total)) / total)} %)`
    : `${number(done)} ${unit}`;
}
