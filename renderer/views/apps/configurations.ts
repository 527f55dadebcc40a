/** How each AI app is told of an MCP endpoint, as its own documentation writes it. Pure: endpoint and token in, text out. */

export interface Configuration {
  readonly id: 'claude-code' | 'cursor' | 'vscode' | 'codex' | 'gemini' | 'other';
  /** The name a new app of this kind is given. */
  readonly app: string;
  /** Where the text belongs; several where systems differ. */
  readonly files: readonly string[];
  readonly language: 'json' | 'toml' | 'text';
  readonly text: (endpoint: string, token: string) => string;
  /** A command that does the same, where the app has one. */
  readonly command?: (endpoint: string, token: string) => string;
}

export const configurations: readonly Configuration[] = [
  {
    id: 'claude-code',
    app: 'Claude Code',
    files: ['~/.claude.json'],
    language: 'json',
    text: (endpoint, token) =>
      json({ mcpServers: { gatehouse: { type: 'http', url: endpoint, headers: bearer(token) } } }),
    command: (endpoint, token) =>
      `claude mcp add --scope user --transport http gatehouse ${endpoint} --header "Authorization: Bearer ${token}"`,
  },
  {
    id: 'cursor',
    app: 'Cursor',
    files: ['~/.cursor/mcp.json'],
    language: 'json',
    text: (endpoint, token) => json({ mcpServers: { gatehouse: { url: endpoint, headers: bearer(token) } } }),
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
    text: (endpoint, token) =>
      json({ servers: { gatehouse: { type: 'http', url: endpoint, headers: bearer(token) } } }),
  },
  {
    id: 'codex',
    app: 'Codex',
    files: ['~/.codex/config.toml'],
    language: 'toml',
    text: (endpoint, token) =>
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
    text: (endpoint, token) => json({ mcpServers: { gatehouse: { httpUrl: endpoint, headers: bearer(token) } } }),
  },
  {
    id: 'other',
    app: '',
    files: [],
    language: 'text',
    text: (endpoint, token) => `${endpoint}\nAuthorization: Bearer ${token}`,
  },
];

/** The kind of app a name stands for; 'other' when it is none we know. */
export function configurationFor(name: string): Configuration['id'] {
  const plain = name.toLocaleLowerCase();
  return configurations.find(({ app }) => app !== '' && plain.includes(app.toLocaleLowerCase()))?.id ?? 'other';
}

function bearer(token: string): { readonly Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

function json(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
