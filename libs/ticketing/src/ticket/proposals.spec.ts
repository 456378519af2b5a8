import { ERASED } from '#eventsourcing';
import type { Contract } from '../contract/contract.js';
import { completeHandOff } from '../testing/random-commands.js';
import { Life, pin } from '../testing/ticket-life.js';

const bot = { id: 'l1-bot', kind: 'assistant' } as const;
const ada = { id: 'ada', kind: 'agent' } as const;
const reply = { text: 'Restart it' };
const resolution = { category: 'mail', article: 'KB-1' };
const types = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);

/** A ticket that an assistant works on. */
function served(assistants?: Contract['assistants']): Life {
  const life = new Life(pin(1, assistants === undefined ? {} : { assistants })).open();
  life.actor = bot;
  return life;
}

describe('what an assistant proposes', () => {
  it('waits for a person, who does it by approving it', () => {
    const life = served();
    const [proposed] = life.do(1, 'ProposeReply', reply);
    expect(proposed).toMatchObject({ type: 'ActProposed', data: { act: 'reply', body: reply } });
    expect(life.do(2, 'ProposeReply', reply)).toEqual([]);
    life.do(3, 'ProposeResolution', resolution);
    expect(life.state?.proposals).toMatchObject([{ act: 'reply', by: bot, body: reply }, { act: 'resolution' }]);
    expect(life.state?.work.status).toBe('open');
    life.actor = ada;
    const { proposalId } = life.state?.proposals?.[1] ?? {};
    const first = life.state?.proposals?.[0]?.proposalId ?? '';
    const approved = life.do(4, 'ApproveProposal', { proposalId: first });
    expect(types(life.do(5, 'ApproveProposal', { proposalId: proposalId ?? '' }))).toEqual(['ProposalApproved', 'TicketResolved']);
    expect(approved).toMatchObject([{ data: { act: 'reply' } }, { type: 'PublicReplySent', data: { author: { id: 'ada' } } }]);
    expect(life.state).toMatchObject({ work: { status: 'resolved' } });
    expect(life.state).not.toHaveProperty('proposals');
    expect(() => life.do(6, 'ApproveProposal', {})).toThrow('proposal-not-found');
  });

  it('is not sent once its text was erased', () => {
    const life = served();
    life.do(1, 'ProposeReply', { text: ERASED });
    life.actor = ada;
    expect(() => life.do(2, 'ApproveProposal', {})).toThrow('proposal-not-found');
    expect(types(life.do(3, 'RejectProposal', { reason: 'Its requester was forgotten' }))).toEqual(['ProposalRejected']);
  });

  it('has to be named if several are pending', () => {
    const life = served();
    life.do(1, 'ProposeReply', reply);
    life.do(2, 'ProposeResolution', resolution);
    life.actor = ada;
    const [, second] = life.state?.proposals ?? [];
    expect(() => life.do(3, 'ApproveProposal', {})).toThrow(new RegExp(`not-one.*${second?.proposalId}`));
    expect(() => life.do(3, 'RejectProposal', { reason: 'Wrong' })).toThrow('not-one');
    life.do(3, 'RejectProposal', { proposalId: second?.proposalId ?? '', reason: 'Wrong' });
    expect(types(life.do(4, 'ApproveProposal', {}))).toEqual(['ProposalApproved', 'PublicReplySent']);
  });

  it.each([
    ['ResolveTicket', resolution],
    ['CancelTicket', { reason: 'Gone' }],
  ] as const)('ends with the ticket: by %s', (name, body) => {
    const life = served();
    life.do(1, 'ProposeReply', reply);
    life.actor = ada;
    life.do(2, name, body as never);
    expect(life.state).not.toHaveProperty('proposals');
    expect(() => life.do(3, 'ApproveProposal', {})).toThrow('proposal-not-found');
  });

  it('is not done once it is rejected', () => {
    const life = served();
    life.do(1, 'ProposeReply', reply);
    life.actor = ada;
    expect(life.do(2, 'RejectProposal', { reason: 'Wrong' })).toMatchObject([
      { type: 'ProposalRejected', data: { act: 'reply', reason: 'Wrong' } },
    ]);
    expect(() => life.do(3, 'RejectProposal', { reason: 'Wrong' })).toThrow('proposal-not-found');
  });

  it('is done at once where the contract lets assistants do it alone, by whom and on which ground', () => {
    const life = served({ resolution: 'alone' });
    life.do(0, 'StartTouchTime', { agent: ada });
    const done = life.do(1, 'ProposeResolution', resolution);
    expect(types(done)).toEqual(['ActProposed', 'ProposalApproved', 'TouchTimeStopped', 'TicketResolved']);
    expect(done[1]?.data).toMatchObject({ by: 'contract' });
    expect(life.do(2, 'ProposeResolution', resolution)).toEqual([]);
    const other = served({ resolution: 'alone' });
    expect(types(other.do(1, 'ProposeReply', reply))).toEqual(['ActProposed']);
    // A person who proposes wants somebody else's approval.
    other.actor = ada;
    expect(types(other.do(2, 'ProposeResolution', resolution))).toEqual(['ActProposed']);
  });

  it('is refused if the contract leaves it to people, or if the act itself would be refused', () => {
    expect(() => served({ reply: 'never' }).do(1, 'ProposeReply', reply)).toThrow('not-for-assistants');
    const life = served({ 'hand-off': 'alone' });
    expect(() => life.do(1, 'ProposeHandOff', { tier: 'L2', reason: 'r', handoff: { summary: 's' } })).toThrow(
      /hand-off-incomplete.*stepsTried/,
    );
    expect(() => life.do(1, 'ProposeResolution', {})).toThrow('resolution-incomplete');
  });

  it('is refused when it is approved while it cannot be done, and waits on', () => {
    const life = served();
    life.do(1, 'ProposeResolution', resolution);
    life.actor = ada;
    life.do(2, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff: completeHandOff });
    expect(() => life.do(3, 'ApproveProposal', {})).toThrow('escalation-pending');
    expect(life.state?.proposals).toHaveLength(1);
  });

  it('ends the touch time that runs, once', () => {
    const life = served();
    life.do(1, 'ProposeResolution', resolution);
    life.actor = ada;
    life.do(2, 'StartTouchTime', {});
    expect(types(life.do(3, 'ApproveProposal', {}))).toEqual(['ProposalApproved', 'TouchTimeStopped', 'TicketResolved']);
  });
});
