import { describe, expect, it } from 'vitest';
import { decide, userOf } from '../../../main/policy/decide.ts';
import type { JsonObject } from '../../../main/policy/json.ts';
import { definition, server, snapshotOf } from '../../fixtures/policy/organisation.ts';

const push = 'action == Action::"call:git.push"';
const forbid = (when: string) =>
  `permit (principal, action, resource); @reason("No.") forbid (principal, ${push}, resource) when { ${when} };`;

function decisionOn(properties: JsonObject, when: string, args: JsonObject, more: JsonObject = {}) {
  const pushed = definition('push');
  const inputSchema = { type: 'object', properties, ...more };
  const snapshot = snapshotOf(forbid(when), [server('git', [{ ...pushed, inputSchema }])]);
  const user = userOf(snapshot, 'alice');
  return decide(snapshot, { question: 'call', user, app: 'Claude', alias: 'git', tool: 'push', args, at: 0 });
}
const effectOf = (...call: Parameters<typeof decisionOn>) => decisionOn(...call).effect;

const isForced = 'context.args has force && context.args.force';
const force = { type: 'boolean', default: true };

describe('when a call leaves out an argument that has a default', () => {
  it('is decided as the server will understand it', () => {
    expect(effectOf({ force }, isForced, {})).toBe('deny');
    expect(effectOf({ force }, isForced, { force: true })).toBe('deny');
    expect(effectOf({ force }, isForced, { force: false })).toBe('allow');
    expect(effectOf({ force: { type: 'boolean' } }, isForced, {})).toBe('allow');
    expect(effectOf({ force: { type: 'boolean', default: false } }, isForced, {})).toBe('allow');
  });

  it('changes nothing in what is sent and shown', () => {
    const args = Object.freeze({ options: Object.freeze({}) });
    const options = { type: 'object', properties: { force } };
    const when = 'context.args has options && context.args.options has force && context.args.options.force';
    expect(effectOf({ options }, when, args)).toBe('deny');
    expect(args).toEqual({ options: {} });
  });

  it('reads nested defaults of objects that are there or are defaults themselves', () => {
    const when = 'context.args has options && context.args.options has force && context.args.options.force';
    const options = { type: 'object', properties: { force } };
    expect(effectOf({ options: { ...options, default: {} } }, when, {})).toBe('deny');
    expect(effectOf({ options: { ...options, default: { force: false } } }, when, {})).toBe('allow');
    // Nothing says the server makes an object where none was sent.
    expect(effectOf({ options }, when, {})).toBe('allow');
  });

  it('reads a default beside a reference and inside it', () => {
    const $defs = { flag: { type: 'boolean', default: true }, bare: { type: 'boolean' } };
    expect(effectOf({ force: { $ref: '#/$defs/flag' } }, isForced, {}, { $defs })).toBe('deny');
    expect(effectOf({ force: { $ref: '#/$defs/bare', default: true } }, isForced, {}, { $defs })).toBe('deny');
    expect(effectOf({ force: { $ref: '#/$defs/flag', default: false } }, isForced, {}, { $defs })).toBe('allow');
  });

  it('fills whole objects and the objects of a list, where a rule reads them whole', () => {
    const one = { type: 'object', properties: { force } };
    const properties = { one, other: one, list: { type: 'array', items: one } };
    const required = ['one', 'other', 'list'];
    const same = (when: string, list: JsonObject[]) =>
      effectOf(properties, when, { one: {}, other: { force: true }, list }, { required });
    expect(same('context.args.one == context.args.other', [])).toBe('deny');
    expect(same('context.args.list.contains(context.args.other)', [{}])).toBe('deny');
    expect(same('context.args.list.contains(context.args.other)', [{ force: false }])).toBe('allow');
  });

  it.each<[string, JsonObject]>([
    ['is text', { type: 'boolean', default: 'true' }],
    ['is null', { type: 'boolean', default: null }],
  ])('does not take a default that %s for a flag', (_, flag) => {
    expect(effectOf({ force: flag }, 'context.args has force', {})).toBe('allow');
  });

  it('refuses when the default is a number no rule can compare', () => {
    const size = { type: 'number', default: 0.00001 };
    const decision = decisionOn({ size }, 'context.args has size && context.args.size.greaterThan(decimal("1.0"))', {});
    expect(decision).toMatchObject({ effect: 'deny' });
    expect(decision.reason).toContain('could not be applied');
  });

  it('leaves out what is required: such a call never gets as far', () => {
    expect(effectOf({ force }, 'context.args.force', {}, { required: ['force'] })).toBe('deny');
  });
});
