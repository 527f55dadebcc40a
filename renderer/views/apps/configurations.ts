/** How each AI app is told of an MCP endpoint, as its own documentation writes it. Pure: what it connects by in, text out. */

/** What an app connects by: an address, or a program to start; and its key. */
export interface Access {
  readonly endpoint: string;
  readonly token: string;
  readonly bridge: { readonly command: string; readonly args: readonly string[] };
}

export interface Configuration {
  readonly id: 'claude-code' | 'claude-desktop' | 'cursor' | 'vscode' | 'codex' | 'gemini' | 'other';
  /** The name a new app of this kind is given. */
  readonly app: string;
  /** Where the text belongs; several where systems differ. */
  readonly files: readonly string[];
  readonly language: 'json' | 'toml' | 'text';
  readonly text: (access: Access) => string;
  /** A command that does the same, where the app has one. */
  readonly command?: (access: Access) => string;
  /** The same for apps that start their servers themselves. */
  readonly stdio?: (access: Access) => string;
}

export const configurations: readonly Configuration[] = [
  {
    id: 'claude-code',
    app: 'Claude Code',
    files: ['~/.claude.json'],
    language: 'json',
    text: ({ endpoint, token }) =>
      json({ mcpServers: { gatehouse: { type: 'http', url: endpoint, headers: bearer(token) } } }),
    command: ({ endpoint, token }) =>
      `claude mcp add --scope user --transport http gatehouse ${endpoint} --header "Authorization: Bearer ${token}"`,
  },
  {
    id: 'claude-desktop',
    app: 'Claude Desktop',
    files: [
      '~/Library/Application Support/Claude/claude_desktop_config.json',
      '%APPDATA%\\Claude\\claude_desktop_config.json',
    ],
    language: 'json',
    text: (access) => json({ mcpServers: { gatehouse: started(access) } }),
  },
  {
    id: 'cursor',
    app: 'Cursor',
    files: ['~/.cursor/mcp.json'],
    language: 'json',
    text: ({ endpoint, token }) => json({ mcpServers: { gatehouse: { url: endpoint, headers: bearer(token) } } }),
  },
  {
    id: 'vscode',
    app: 'VS Code',
    files: [
      '~/Library/Application Support/Code/User/mcp.json',
      '%APPDATA%\\Code\\User\\mcp.json',
      '~/.config/Code/User/mcp.json',
    ],
    language: 'json',
    text: ({ endpoint, token }) =>
      json({ servers: { gatehouse: { type: 'http', url: endpoint, headers: bearer(token) } } }),
  },
  {
    id: 'codex',
    app: 'Codex',
    files: ['~/.codex/config.toml'],
    language: 'toml',
    text: ({ endpoint, token }) =>
      [
        '[mcp_servers.gatehouse]',
        `url = ${JSON.stringify(endpoint)}`,
        `http_headers = { Authorization = ${JSON.stringify(`Bearer ${token}`)} }`,
      ].join('\n'),
  },
  {
    id: 'gemini',
    app: 'Gemini CLI',
    files: ['~/.gemini/settings.json'],
    language: 'json',
    text: ({ endpoint, token }) => json({ mcpServers: { gatehouse: { httpUrl: endpoint, headers: bearer(token) } } }),
  },
  {
    id: 'other',
    app: '',
    files: [],
    language: 'text',
    text: ({ endpoint, token }) => `${endpoint}\nAuthorization: Bearer ${token}`,
    stdio: (access) => json(started(access)),
  },
];

/** The kind of app a name stands for; 'other' when it is none we know. */
export function configurationFor(name: string): Configuration['id'] {
  const plain = name.toLocaleLowerCase();
  return configurations.find(({ app }) => app !== '' && plain.includes(app.toLocaleLowerCase()))?.id ?? 'other';
}

/** A server on stdio; the key in a variable, as every program can read a command line. */
function started({ bridge, token }: Access): object {
  return { command: bridge.command, args: bridge.args, env: { GATEHOUSE_TOKEN: token } };
}

function bearer(token: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
