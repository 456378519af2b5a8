import type { Json } from './recorded-messages.js';
import type { Scenario } from './recording-player.js';

type Step = Scenario['steps'][number];

/** Settings that every group of the recordings has that was made without showing it. */
const SETTINGS = {
  max_retry_count: 10,
  min_checkpoint_count: 10,
  max_checkpoint_count: 1000,
  live_buffer_size: 500,
  read_batch_size: 20,
  history_buffer_size: 500,
  message_timeout_ms: 30_000,
  checkpoint_after_ms: 2000,
  consumer_strategy: 'RoundRobin',
};
const create = (stream: string | undefined, group: string, settings = SETTINGS): Step => {
  const source: { [key: string]: Json } =
    stream === undefined ? { all: { start: {}, no_filter: {} } } : { stream: { stream_identifier: stream, start: {} } };
  return { call: 'PersistentSubscriptions.Create', send: { options: { ...source, group_name: group, settings } }, recv: {} };
};

/** Two events in each of four streams, which scenarios about consumer strategies link to. */
const eventsOfStrategies = (name: string, firstId: number): Step[] =>
  Array.from({ length: 8 }, (_, n): Step => {
    const stream = Math.trunc(n / 2);
    const id = `10000000-0000-4000-8000-${(firstId + n).toString(16).padStart(12, '0')}`;
    const event = {
      id,
      metadata: { type: 'test', 'content-type': 'application/json' },
      custom_metadata: `{"$correlationId":"c${stream % 2}"}`,
      data: `{"n":${n}}`,
    };
    return {
      call: 'Streams.Append',
      send: [{ options: { stream_identifier: `persistent-consume-${name}-src-${stream}`, any: {} } }, { proposed_message: event }],
      recv: {
        success: { current_revision: String(n % 2), position: { commit_position: `<position ${n}>`, prepare_position: `<position ${n}>` } },
      },
    };
  });

/** What a scenario did in addition to its recorded steps, before the step with that number. */
const NOT_SHOWN: Readonly<Record<string, ReadonlyArray<readonly [number, Step]>>> = {
  'all-read/system-events-mixed': [
    [
      2,
      {
        call: 'Streams.Append',
        send: [
          { options: { stream_identifier: 'all-read-system-events-mixed-l', any: {} } },
          {
            proposed_message: {
              id: '10000000-0000-4000-8000-000000006005',
              metadata: { type: '$>', 'content-type': 'application/json' },
              data: '0@all-read-system-events-mixed',
            },
          },
        ],
        recv: { success: { current_revision: '0', position: { commit_position: 'P3', prepare_position: 'P3' } } },
      },
    ],
    [
      3,
      {
        call: 'Streams.Delete',
        send: { options: { stream_identifier: 'all-read-system-events-mixed', any: {} } },
        recv: { position: { commit_position: 'P5', prepare_position: 'P5' } },
      },
    ],
  ],
  'auth/users': [
    [
      0,
      {
        call: 'Users.Create',
        headers: { authorization: 'Basic base64(admin:changeit)' },
        send: { options: { login_name: 'ops', password: 'changeit', full_name: 'Event Store Operations', groups: ['$ops'] } },
        recv: {},
      },
    ],
  ],
  'auth/acl-revoked-while-subscribed': [
    [
      0,
      {
        call: 'Streams.Append',
        headers: { authorization: 'Basic base64(admin:changeit)' },
        send: [
          { options: { stream_identifier: 'auth-acl-revoked-while-subscribed', any: {} } },
          {
            proposed_message: {
              id: '10000000-0000-4000-8000-000000012000',
              metadata: { type: 'test', 'content-type': 'application/json' },
              data: '{"n":0}',
            },
          },
        ],
        recv: { success: { current_revision: '0', position: { commit_position: 'P1', prepare_position: 'P1' } } },
      },
    ],
  ],
  'persistent-admin/list': [
    [0, create('persistent-admin-list', 'g1')],
    [0, create('persistent-admin-list', 'g2')],
    [0, create(undefined, 'persistent-admin-list')],
  ],
  'persistent-consume/strategy-RoundRobin': eventsOfStrategies('strategy-RoundRobin', 0x1a000).map((step) => [0, step]),
  'persistent-consume/strategy-Pinned': eventsOfStrategies('strategy-Pinned', 0x1c000).map((step) => [0, step]),
  'persistent-consume/strategy-PinnedByCorrelation': eventsOfStrategies('strategy-PinnedByCorrelation', 0x1d000).map((step) => [0, step]),
  'persistent-consume/two-groups': ['g1', 'g2'].map((group) => [1, create('persistent-consume-two-groups', group)]),
  'persistent-consume/config-stream': [[0, create('persistent-consume-config-stream', 'g')]],
  // The settings of all groups had been written 44 times by then.
  'persistent-consume/all-system-events': Array.from({ length: 44 }, (_, n) => [0, create('earlier', `g${n}`)]),
};

/** The group that a scenario about invalid settings updates; it exists with valid ones. */
function updatedGroup(step: Step): Step[] {
  const { stream, group_name } = (step.send as { options: { stream?: { stream_identifier: string }; group_name: string } }).options;
  return group_name.endsWith('-g2') ? [create(stream?.stream_identifier, group_name)] : [];
}

/**
 * Steps that request what a group does some time after the response that caused it, as on the genuine server: checkpoints, parked events,
 * what remains of them after a replay, redelivery after a timeout, and the departure of a consumer.
 */
const SETTLES: Readonly<Record<string, readonly number[]>> = {
  'persistent-consume/basic': [13, 17],
  'persistent-consume/nack-Park': [13],
  'persistent-consume/message-timeout': [4],
  'persistent-consume/many': [4],
  'persistent-consume/all-filtered': [9],
  'persistent-consume/park-twice': [8],
  'persistent-consume/checkpoint-resume': [6],
  'persistent-consume/checkpoint-gap': [5],
  'persistent-consume/min-checkpoint-count': [7],
  'persistent-consume/max-checkpoint-count': [8],
  'persistent-consume/all-nack-park': [6],
};

/** Statistics that show a checkpoint, which is written while the group continues. */
const showsCheckpoint = (step: Step): boolean =>
  step.call === 'PersistentSubscriptions.GetInfo' && JSON.stringify(step.recv ?? null).includes('"last_checkpointed_event_position"');

/** Steps that this node answers differently on purpose, with its response. The scenarios count as different. */
const ANSWERED_OTHERWISE: Readonly<Record<string, (step: Step) => Step | undefined>> = Object.fromEntries(
  ['restart/lasting-TERM', 'restart/lasting-KILL'].map((name) => [
    name,
    (step: Step): Step | undefined => {
      const answer = JSON.stringify(step.recv ?? null);
      // The genuine server forgets event ids when it stops, and writes repeated events again. This one does not.
      if (answer.includes('"current_revision":"4","position"'))
        return { ...step, recv: { success: { current_revision: '2', position: { commit_position: 'P2', prepare_position: 'P2' } } } };
      if (answer.includes('"current_revision_20_6_0":"4"'))
        return { ...step, recv: { success: { current_revision: '3', position: { commit_position: 'P15', prepare_position: 'P15' } } } };
      return undefined;
    },
  ]),
);

/** Scenarios with a step that this node answers differently on purpose. */
export const answeredOtherwise: readonly string[] = Object.keys(ANSWERED_OTHERWISE);

/** The scenario with everything that was done in it, with this node's expected responses. */
export function completed(file: string, scenario: Scenario): Scenario {
  const name = `${file}/${scenario.name}`;
  const hidden = NOT_SHOWN[name] ?? [];
  const steps = scenario.steps.flatMap((step, index) => [
    ...hidden.filter(([before]) => before === index).map(([, extra]) => extra),
    ...(scenario.name.startsWith('bad-settings-') && step.call === 'PersistentSubscriptions.Update' ? updatedGroup(step) : []),
    {
      ...(ANSWERED_OTHERWISE[name]?.(step) ?? step),
      ...((SETTLES[name]?.includes(index) || showsCheckpoint(step)) && { settles: true as const }),
    },
  ]);
  return { ...scenario, steps };
}
