import * as sdk from '@modelcontextprotocol/client';
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inheritedEnvironment } from '../../../main/backends/inherited-environment.ts';
import * as names from '../../../main/backends/revision-names.ts';

afterEach(() => vi.unstubAllEnvs());

describe('what is written out instead of taken from the SDK', () => {
  it('says the same', () => {
    expect({ ...sdk }).toMatchObject({ ...names });
  });

  it('lets a server process inherit the same variables', () => {
    vi.stubEnv('SHELL', '() { :; }; echo');
    vi.stubEnv('GATEHOUSE_SECRET', 'x');
    vi.stubEnv('TERM', 'dumb');
    expect(inheritedEnvironment()).toEqual(getDefaultEnvironment());
    expect(inheritedEnvironment()).toMatchObject({ TERM: 'dumb' });
  });
});
