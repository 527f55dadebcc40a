import { setImmediate } from 'node:timers/promises';
import MiniSearch from 'minisearch';
import { isJsonObject, type Json, type JsonObject } from '../policy/json.ts';
import type { SearchableTool } from './tool-search-port.ts';

interface Entry {
  readonly id: number;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly parameters: string;
}

/** Characters of one description that are indexed, and how deep parameters are read: a definition's size is its server's to choose. */
const descriptionLength = 4_000;
const parameterDepth = 4;
const parameterCount = 200;
/** Milliseconds of indexing at a stretch. */
const turnMs = 5;

/** Words that say nothing of what a tool does. */
const stopWords = new Set(
  'a about all an and any are as at be but by can could do does for from get give had has have how i if in into is it its let like me my of on one or our please should show so some than that the their them then there these they this to tool tools up us use used uses using want was we were what when where which who will with would you your'.split(
    ' ',
  ),
);

/**
 * Words people and models use for one thing where servers use another. Both ends are looked for; the word that was said counts more.
 */
const sameWords: readonly (readonly string[])[] = [
  ['folder', 'directory'],
  ['file', 'document'],
  ['create', 'make', 'new', 'add'],
  ['delete', 'remove', 'erase', 'forget', 'drop'],
  ['edit', 'change', 'modify', 'update', 'replace'],
  ['write', 'save', 'store'],
  ['read', 'open', 'view', 'content'],
  ['list', 'show'],
  ['search', 'find', 'look', 'lookup', 'query', 'locate'],
  ['move', 'rename'],
  ['navigate', 'go', 'visit', 'open', 'browse'],
  ['page', 'website', 'site', 'web', 'url'],
  ['image', 'picture', 'photo', 'screenshot'],
  ['size', 'big', 'large'],
  ['modify', 'change', 'time', 'date', 'metadata', 'info', 'detail'],
  ['relation', 'link', 'connect', 'connection', 'relationship'],
  ['observation', 'fact', 'note', 'remember'],
  ['entity', 'person', 'people', 'thing'],
  ['run', 'execute', 'start', 'trigger'],
  ['send', 'post', 'submit'],
  ['issue', 'ticket', 'bug', 'task'],
  ['message', 'mail', 'email', 'chat'],
  ['user', 'person', 'member', 'people'],
  ['select', 'choose', 'pick'],
  ['dialog', 'alert', 'popup', 'prompt'],
  ['error', 'message', 'log', 'logging'],
  ['calendar', 'event', 'meeting', 'appointment'],
  ['repository', 'repo', 'project'],
  ['database', 'table', 'sql', 'query'],
  ['copy', 'duplicate', 'clone'],
  ['download', 'fetch'],
  ['upload', 'attach'],
];

/** Finds tools by words (BM25 over names, titles, descriptions and parameter names), of exactly the tools it is given. */
export class ToolIndex {
  readonly #tools: readonly SearchableTool[];
  readonly #index: MiniSearch<Entry>;

  private constructor(tools: readonly SearchableTool[]) {
    this.#tools = tools;
    this.#index = new MiniSearch<Entry>({
      fields: ['name', 'title', 'description', 'parameters'],
      tokenize: wordsOf,
      processTerm: termOf,
    });
  }

  /** Thousands of tools take a good part of a second: calls and windows get their turn in between. */
  static async build(tools: readonly SearchableTool[]): Promise<ToolIndex> {
    const built = new ToolIndex(tools);
    let since = performance.now();
    for (const [id, tool] of tools.entries()) {
      built.#index.add(entryOf(tool, id));
      if (performance.now() - since < turnMs) continue;
      await setImmediate();
      since = performance.now();
    }
    return built;
  }

  /** The tools that fit, best first, at most `limit`; one that is named exactly comes first. */
  find(query: string, limit: number): readonly SearchableTool[] {
    const said = wordsOf(query)
      .map(termOf)
      .filter((term) => term !== null);
    const meant = said.flatMap((term) => synonyms.get(term) ?? []).filter((term) => !said.includes(term));
    const found = this.#index.search(query, {
      tokenize: () => [...said, ...new Set(meant)],
      processTerm: (term) => term,
      boost: { name: 3, title: 2, parameters: 0.5 },
      boostTerm: (_term, at) => (at < said.length ? 1 : 0.5),
      prefix: (term, at) => at < said.length && term.length >= 4,
      fuzzy: (term, at) => (at < said.length && term.length >= 6 ? 0.15 : false),
      weights: { prefix: 0.4, fuzzy: 0.2 },
    });
    const ranked = found.map(({ id }) => this.#tools[id]).filter((tool) => tool !== undefined);
    const named = this.#tools.find(({ name }) => name === query.trim());
    const best = named === undefined ? ranked : [named, ...ranked.filter((tool) => tool !== named)];
    return best.slice(0, limit);
  }
}

function entryOf({ name, definition }: SearchableTool, id: number): Entry {
  const names: string[] = [];
  collectParameters(definition.inputSchema, names, 0);
  return {
    id,
    name,
    title: [textOf(definition.title), textOf(annotationsOf(definition).title)].join(' '),
    description: textOf(definition.description).slice(0, descriptionLength),
    parameters: names.join(' '),
  };
}

function annotationsOf({ annotations }: JsonObject): JsonObject {
  return isJsonObject(annotations) ? annotations : {};
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function collectParameters(schema: Json | undefined, names: string[], depth: number): void {
  if (!isJsonObject(schema) || depth > parameterDepth) return;
  if (isJsonObject(schema.properties)) {
    for (const [name, child] of Object.entries(schema.properties)) {
      if (names.length >= parameterCount) return;
      names.push(name);
      collectParameters(child, names, depth + 1);
    }
  }
  collectParameters(schema.items, names, depth + 1);
}

/** read_textFile2 is four words; so is "Read text-file 2". */
function wordsOf(text: string): string[] {
  return text
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

function termOf(word: string): string | null {
  const term = word.normalize('NFKC').toLowerCase();
  return stopWords.has(term) || term.length > 64 ? null : stemOf(term);
}

/** English endings, enough for "files", "entities", "reading" and "moved" to meet "file", "entity", "read" and "move". */
function stemOf(term: string): string {
  if (term.length < 4) return term;
  if (term.endsWith('ies') && term.length > 4) return `${term.slice(0, -3)}y`;
  if (/(?:s|x|z|ch|sh)es$/.test(term)) return term.slice(0, -2);
  if (term.endsWith('s') && !/(?:ss|us|is)$/.test(term)) return term.slice(0, -1);
  return term;
}

const synonyms: ReadonlyMap<string, readonly string[]> = new Map(
  [...new Set(sameWords.flat())].map((word) => {
    const others = sameWords.filter((group) => group.includes(word)).flat();
    return [stemOf(word), [...new Set(others.map(stemOf))].filter((other) => other !== stemOf(word))] as const;
  }),
);
