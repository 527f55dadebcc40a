import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ToolIndex } from '../../main/gateway/tool-index.ts';
import type { SearchableTool } from '../../main/gateway/tool-search-port.ts';
import type { Launch } from '../../main/policy/manifest.ts';
import { shownBy } from './support/house.ts';

const require = createRequire(import.meta.url);
const run = (...args: readonly string[]): Launch => ({ transport: 'stdio', command: process.execPath, args, env: [] });
const published = (name: string, ...args: readonly string[]) =>
  run(path.join(require.resolve(`${name}/package.json`), '../dist/index.js'), ...args);

const servers: Readonly<Record<string, Launch>> = {
  everything: published('@modelcontextprotocol/server-everything'),
  files: published('@modelcontextprotocol/server-filesystem', tmpdir()),
  memory: published('@modelcontextprotocol/server-memory'),
  browser: run(path.join(require.resolve('playwright/package.json'), '../cli.js'), 'mcp'),
};

/** What somebody wants to do → the tool that does it. The words behind the index were chosen with these in sight. */
const labelled: Readonly<Record<string, string>> = {
  'read the contents of a text file': 'files__read_text_file',
  'save text to a file on disk': 'files__write_file',
  'rename a file': 'files__move_file',
  'find files by name pattern': 'files__search_files',
  'how big is this file and when was it changed': 'files__get_file_info',
  'make a new folder': 'files__create_directory',
  'what is in this folder': 'files__list_directory',
  'replace a few lines in a file': 'files__edit_file',
  'open several files at once': 'files__read_multiple_files',
  'show an image file': 'files__read_media_file',
  'which folders may I access': 'files__list_allowed_directories',
  'folder structure as a tree': 'files__directory_tree',
  'remember a fact about a person': 'memory__add_observations',
  'forget an entity': 'memory__delete_entities',
  'link two entities': 'memory__create_relations',
  'look something up in memory': 'memory__search_nodes',
  'show everything stored in the knowledge graph': 'memory__read_graph',
  'add two numbers': 'everything__get-sum',
  'compress a file': 'everything__gzip-file-as-resource',
  'print environment variables': 'everything__get-env',
  'run a task that takes long': 'everything__trigger-long-running-operation',
  'go to a web page': 'browser__browser_navigate',
  'click a button on the page': 'browser__browser_click',
  'take a screenshot': 'browser__browser_take_screenshot',
  'fill in a form': 'browser__browser_fill_form',
  'upload a file to a website': 'browser__browser_file_upload',
  'see errors in the browser console': 'browser__browser_console_messages',
  'press enter on the keyboard': 'browser__browser_press_key',
  'wait until text appears': 'browser__browser_wait_for',
  'choose an option from a dropdown': 'browser__browser_select_option',
};

/** Written beforehand, by the same hand, and the index was not changed for them: an idea of what other tools can hope for. */
const heldOut: Readonly<Record<string, string>> = {
  'delete a note about someone': 'memory__delete_observations',
  'erase a connection between things': 'memory__delete_relations',
  'store new people in the graph': 'memory__create_entities',
  'see details of one node': 'memory__open_nodes',
  'append to an existing entry': 'memory__add_observations',
  'update the text of a document': 'files__edit_file',
  'create a file with this content': 'files__write_file',
  'list files with their size': 'files__list_directory_with_sizes',
  'locate a document whose name contains invoice': 'files__search_files',
  'when was the file last modified': 'files__get_file_info',
  'put a file in another directory': 'files__move_file',
  'open a website': 'browser__browser_navigate',
  'back to the previous page': 'browser__browser_navigate_back',
  'type text into an input': 'browser__browser_type',
  'accept the alert popup': 'browser__browser_handle_dialog',
  'run JavaScript on the page': 'browser__browser_evaluate',
  'list the HTTP requests the page made': 'browser__browser_network_requests',
  'change the window size': 'browser__browser_resize',
  'close the browser': 'browser__browser_close',
  'move the mouse over an element': 'browser__browser_hover',
  'drag one thing onto another': 'browser__browser_drag',
  'repeat what I say': 'everything__echo',
  'do deep research on a topic': 'everything__simulate-research-query',
  'give me a small picture': 'everything__get-tiny-image',
  'turn on log messages': 'everything__toggle-simulated-logging',
};

describe('when a model describes what it wants to do with the tools of real servers', () => {
  const tools: SearchableTool[] = [];
  let index: ToolIndex;
  beforeAll(async () => {
    for (const [alias, launch] of Object.entries(servers)) {
      for (const definition of await shownBy(launch)) tools.push({ name: `${alias}__${definition.name}`, definition });
    }
    index = await ToolIndex.build(tools);
  });

  it.each([
    ['queries the index was made with', labelled, 0.9],
    ['queries it was not made with', heldOut, 0.85],
  ] as const)('finds the tool among the first five: %s', (name, queries, bar) => {
    const missed: string[] = [];
    let first = 0;
    for (const [query, wanted] of Object.entries(queries)) {
      expect(tools.map((tool) => tool.name)).toContain(wanted);
      const found = index.find(query, 5).map((tool) => tool.name);
      if (found[0] === wanted) first++;
      if (!found.includes(wanted)) missed.push(`"${query}" → ${wanted}, found ${found.join(', ') || 'nothing'}`);
    }
    const count = Object.keys(queries).length;
    const recall = (count - missed.length) / count;
    process.stdout.write(
      `${name}: recall@5 ${recall.toFixed(2)}, at the first place ${(first / count).toFixed(2)}, ${count} queries over ${tools.length} tools\n${missed.map((each) => `  missed ${each}\n`).join('')}`,
    );
    expect(recall).toBeGreaterThanOrEqual(bar);
  });
});
