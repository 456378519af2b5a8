import type { Message } from '#ticketing';
import type { ChatChannel } from './chat-channels.js';

/** A message for an incoming webhook. People's text controls nothing: it mentions nobody and contains no link. */
export function chatMessage(format: ChatChannel['format'], message: Message): object {
  return format === 'slack' ? slack(message) : teams(message);
}

function slack({ subject, text }: Message): object {
  return {
    text: escaped(subject),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(subject, 150), emoji: false } },
      { type: 'section', text: { type: 'plain_text', text: cut(text, 3_000), emoji: false } },
    ],
  };
}

/** Slack's three characters that begin mentions, links and entities. */
function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function cut(text: string, most: number): string {
  return [...text].slice(0, most).join('');
}

/** An Adaptive Card of text runs, which are not parsed as Markdown, for a Teams workflow. */
function teams({ subject, text }: Message): object {
  const runs = (lines: string, more: object) =>
    lines.split('\n').map((line) => ({ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: line === '' ? ' ' : line, ...more }] }));
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [...runs(subject, { weight: 'Bolder', size: 'Medium' }), ...runs(text, {})],
        },
      },
    ],
  };
}
