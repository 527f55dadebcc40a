import { describe, expect, it } from 'vitest';
import { dispatch } from '../../../main/ipc/handlers.ts';
import type { Handlers } from '../../../preload/contract.ts';

const broken = new Proxy({} as Handlers, {
  get: () => () => {
    throw new Error('the disk is full');
  },
});

describe('when a call comes from a page', () => {
  it.each(['nonsense', '__proto__', 'constructor', 'toString', ''])('"%s" is no call', async (name) => {
    expect(await dispatch(broken, name, {})).toMatchObject({ ok: false, code: 'unknown-call' });
  });

  it.each([[undefined], [null], [7], ['x'], [[]], [{ minutes: 'x' }], [{ minutes: 0 }]])(
    'arguments %j are refused before any handler runs',
    async (args) => {
      expect(await dispatch(broken, 'pause', args)).toMatchObject({ ok: false, code: 'invalid-arguments' });
    },
  );

  it('a handler that fails, now or later, is an answer in words', async () => {
    expect(await dispatch(broken, 'status', {})).toEqual({ ok: false, code: 'failed', message: 'the disk is full' });
    const later = { ...broken, status: () => Promise.reject(new Error('gone')) } as Handlers;
    expect(await dispatch(later, 'status', {})).toEqual({ ok: false, code: 'failed', message: 'gone' });
  });
});
