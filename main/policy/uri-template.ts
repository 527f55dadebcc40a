import type { ManifestServer, Pin } from './manifest.ts';

/** Longer URIs match no template: the cost of matching grows with their length. */
const longestUri = 8_192;

interface Variable {
  readonly name: string;
  readonly exploded: boolean;
}

type Part =
  | { readonly literal: string }
  | { readonly operator: '' | '+' | '#' | '.' | '/' | ';' | '?' | '&'; readonly variables: readonly Variable[] };

/** Whether a URI is an expansion of the template. */
type TemplateMatch = (uri: string) => boolean;

const compiled = new WeakMap<ManifestServer, readonly { readonly matches: TemplateMatch; readonly pin: Pin }[]>();

/** The pin of the first template of a server that this URI is an expansion of. */
export function templateFor(server: ManifestServer, uri: string): Pin | undefined {
  let templates = compiled.get(server);
  if (templates === undefined) {
    templates = Object.entries(server.resourceTemplates).map(([text, pin]) => ({
      matches: compileTemplate(text),
      pin,
    }));
    compiled.set(server, templates);
  }
  return templates.find(({ matches }) => matches(uri))?.pin;
}

/**
 * RFC 6570, backwards: whether some values of the variables expand to this URI. Linear in the length of the URI, so that no template makes a
 * URI expensive. Values without `+` or `#` never hold what separates the parts of a URI, and no URI with a dot segment matches, however it
 * is spelled (RFC 3986 §5.2.4): a template for one folder is not permission for another. A template that cannot be read matches nothing.
 */
export function compileTemplate(template: string): TemplateMatch {
  const parts = parse(template);
  if (parts === undefined) return () => false;
  return (uri) => {
    if (uri.length > longestUri || invisible.test(uri) || hasDotSegment(uri)) return false;
    let at: Positions = new Uint8Array(uri.length + 1);
    at[0] = 1;
    for (const part of parts) at = 'literal' in part ? literal(uri, at, part.literal) : expression(uri, at, part);
    return at[uri.length] === 1;
  };
}

function parse(template: string): readonly Part[] | undefined {
  const parts: Part[] = [];
  let rest = template;
  while (rest !== '') {
    const open = rest.indexOf('{');
    const literal = open < 0 ? rest : rest.slice(0, open);
    if (literal.includes('}')) return undefined;
    if (literal !== '') parts.push({ literal });
    if (open < 0) break;
    const close = rest.indexOf('}', open);
    const found = /^([+#./;?&]?)([^{}+#/;?&=!@|]+)$/.exec(rest.slice(open + 1, close < 0 ? open + 1 : close));
    const variables = found?.[2]?.split(',').map(variableOf) ?? [];
    if (found === null || variables.some((variable) => variable === undefined)) return undefined;
    const operator = (found[1] ?? '') as '' | '+' | '#' | '.' | '/' | ';' | '?' | '&';
    parts.push({ operator, variables: variables.filter((variable) => variable !== undefined) });
    rest = rest.slice(close + 1);
  }
  return parts;
}

function variableOf(spec: string): Variable | undefined {
  const found = /^\s*((?:[A-Za-z0-9_\-.]|%[0-9A-Fa-f]{2})+)(\*|:\d{1,4})?\s*$/.exec(spec);
  return found?.[1] === undefined ? undefined : { name: found[1], exploded: found[2] === '*' };
}

/** Where in the URI one may stand: 1 at each position that what was read so far can end at. */
type Positions = Uint8Array;

/** What is not allowed in a URI is percent-encoded when expanded (RFC 6570 §3.1), and left as it is by servers that do not expand. */
function literal(uri: string, from: Positions, text: string): Positions {
  const encoded = text.replaceAll(/[^\x21-\x7e]|["<>\\^`|]/gu, encodeOne);
  return encoded === text ? after(uri, from, text) : either(after(uri, from, text), after(uri, from, encoded));
}

/** A lone surrogate has no encoding. */
function encodeOne(character: string): string {
  return /\p{Surrogate}/u.test(character) ? character : encodeURIComponent(character);
}

function expression(uri: string, from: Positions, part: Exclude<Part, { literal: string }>): Positions {
  const { operator, variables } = part;
  switch (operator) {
    case '':
      return run(uri, from, plain);
    case '+':
      return run(uri, from, () => true);
    case '#':
      return either(
        from,
        run(uri, after(uri, from, '#'), () => true),
      );
    case '.':
    case '/':
      return segments(uri, from, variables, operator);
    case ';':
      return pairs(uri, from, variables, ';', ';');
    case '?':
      return pairs(uri, from, variables, '?', '&');
    case '&':
      return pairs(uri, from, variables, '&', '&');
    default:
      return operator satisfies never;
  }
}

/** At most one more for each variable, or any number where one of them is a list. */
function segments(uri: string, from: Positions, variables: readonly Variable[], separator: string): Positions {
  if (variables.some(({ exploded }) => exploded)) {
    return either(
      from,
      run(uri, after(uri, from, separator), (character) => plain(character) || character === separator),
    );
  }
  let reached = from;
  let last = from;
  for (let i = 0; i < variables.length; i++) {
    last = run(uri, after(uri, last, separator), plain);
    reached = either(reached, last);
  }
  return reached;
}

/** `name=value` for each variable that has a value, in the order of the template; any names where a variable is a map. */
function pairs(
  uri: string,
  from: Positions,
  variables: readonly Variable[],
  first: string,
  between: string,
): Positions {
  let some: Positions = new Uint8Array(uri.length + 1);
  for (const { name, exploded } of variables) {
    const start = either(after(uri, from, first), after(uri, some, between));
    some = either(some, exploded ? anyPairs(uri, start, between) : pair(uri, start, name, between === ';'));
  }
  return either(from, some);
}

/** Only path-style parameters leave out the "=" of an empty value. */
function pair(uri: string, from: Positions, name: string, mayBeBare: boolean): Positions {
  const bare = after(uri, from, name);
  const full = run(uri, after(uri, bare, '='), plainValue);
  return mayBeBare ? either(bare, full) : full;
}

function anyPairs(uri: string, from: Positions, between: string): Positions {
  return run(uri, from, (character) => plainValue(character) || character === between);
}

const plain = (character: string) => !'/\\?#&'.includes(character);
const plainValue = (character: string) => !'/\\?#&;'.includes(character);

function run(uri: string, from: Positions, takes: (character: string) => boolean): Positions {
  const to = from.slice();
  for (let i = 0; i < uri.length; i++) if (to[i] === 1 && takes(uri[i] ?? '')) to[i + 1] = 1;
  return to;
}

function after(uri: string, from: Positions, text: string): Positions {
  const to = new Uint8Array(from.length);
  for (let i = 0; i + text.length <= uri.length; i++) {
    if (from[i] === 1 && uri.startsWith(text, i)) to[i + text.length] = 1;
  }
  return to;
}

function either(one: Positions, other: Positions): Positions {
  const both = one.slice();
  for (let i = 0; i < both.length; i++) if (other[i] === 1) both[i] = 1;
  return both;
}

/** Many readers leave these out, and so bring together what they stand between (WHATWG URL, "basic URL parser"). */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** "." or ".." as a whole part of a URI, with anything percent-encoded, twice over too. */
function hasDotSegment(uri: string): boolean {
  if (!uri.includes('.') && !uri.includes('%')) return false;
  let text = uri;
  for (let i = 0; i < 3; i++) {
    if (/(?:^|[/\\?#&;:=])\.{1,2}(?:$|[/\\?#&;:=])/.test(text)) return true;
    if (!text.includes('%')) return false;
    text = text.replaceAll(/%2e/gi, '.').replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\').replaceAll(/%25/g, '%');
  }
  return false;
}
