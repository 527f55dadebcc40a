import { describe, expect, it } from 'vitest';
import { type KnownTask, TaskTable } from '../../../main/gateway/task-table.ts';

const all = { kind: 'all' } as const;
const task = (taskId: string, alias = 'a'): KnownTask => ({ taskId, alias, tool: 't', era: 'legacy' });

describe('when tasks are remembered', () => {
  it('knows each for the one it was given to, at endpoints of its server', () => {
    const table = new TaskTable();
    expect(table.add('me', task('1'))).toBe(true);
    expect(table.find('me', all, '1')).toMatchObject({ alias: 'a' });
    expect(table.find('me', { kind: 'profile', profile: 'p' }, '1')).toBeDefined();
    expect(table.find('me', { kind: 'alias', alias: 'a' }, '1')).toBeDefined();
    expect(table.find('me', { kind: 'alias', alias: 'b' }, '1')).toBeUndefined();
    expect(table.find('you', all, '1')).toBeUndefined();
    expect(table.find('me', all, '__proto__')).toBeUndefined();
  });

  it('keeps one id for one server', () => {
    const table = new TaskTable();
    table.add('me', task('1'));
    expect(table.add('me', task('1', 'b'))).toBe(false);
    expect(table.add('me', task('1'))).toBe(true);
    expect(table.add('you', task('1', 'b'))).toBe(true);
    expect(table.find('me', all, '1')).toMatchObject({ alias: 'a' });
  });

  it('takes an id that its server uses again for the newer task, and for nothing that was known of the older', () => {
    const table = new TaskTable();
    const older: KnownTask = { ...task('1'), tool: 'read' };
    older.recorded = 'an outcome';
    table.add('me', older);
    table.add('me', task('2'));
    expect(table.add('me', { ...task('1'), tool: 'delete' })).toBe(true);
    expect(table.find('me', all, '1')).toEqual({ ...task('1'), tool: 'delete' });
    expect(table.of('me', all).map(({ taskId }) => taskId)).toEqual(['2', '1']);
  });

  it('forgets the oldest of too many, and everything of one that is gone', () => {
    const table = new TaskTable();
    for (let i = 0; i < 1_200; i++) table.add('me', task(String(i)));
    expect(table.of('me', all)).toHaveLength(1_000);
    expect(table.find('me', all, '0')).toBeUndefined();
    expect(table.find('me', all, '1199')).toBeDefined();
    table.drop('me', '1199');
    expect(table.find('me', all, '1199')).toBeUndefined();
    table.forget('me');
    expect(table.of('me', all)).toEqual([]);
    for (let i = 0; i < 6_000; i++) table.add(String(i), task('1'));
    expect(table.find('0', all, '1')).toBeUndefined();
    expect(table.find('5999', all, '1')).toBeDefined();
  });
});
