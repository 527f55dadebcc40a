import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { PAGE_HEADERS } from './pages.ts';

/** The window's own colours and type, small enough to stand alone: without the cookie no other file is served. */
const STYLE = `
:root{color-scheme:light dark;--ground:#f6f6f4;--card:#fff;--ink:#1c1f1e;--soft:#5b615f;--line:#e2e3df;--accent:#0b6b53}
@media (prefers-color-scheme:dark){:root{--ground:#141716;--card:#1d2120;--ink:#eceeed;--soft:#a3aaa7;--line:#303635;--accent:#5cc9a7}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:31rem;padding:32px;background:var(--card);border:1px solid var(--line);border-radius:14px}
p{margin:0 0 12px;color:var(--soft)}p:last-child{margin:0}
.name{font-weight:600;font-size:14px;color:var(--accent)}
h1{margin:0 0 12px;font-size:22px;line-height:1.3;text-wrap:balance}
a{color:var(--accent)}
`;

/** The style is allowed by its digest, and nothing else is: no script, no picture, no connection. */
const POLICY = [
  "default-src 'none'",
  'img-src data:',
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export interface Notice {
  readonly title: string;
  readonly paragraphs: readonly string[];
  /** Where the browser goes on to by itself, and by a link. */
  readonly next?: { readonly href: string; readonly label: string };
}

/** A page for a person who cannot be shown the console's own. The words are ours: nothing of the request is repeated. */
export function sendNotice(response: ServerResponse, status: number, notice: Notice, headers = {}): void {
  const { title, paragraphs, next } = notice;
  const html = [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    next ? `<meta http-equiv="refresh" content="0; url=${next.href}">` : '',
    `<link rel="icon" href="data:,"><title>${title} · Gatehouse</title><style>${STYLE}</style></head>`,
    `<body><main><p class="name">Gatehouse</p><h1>${title}</h1>`,
    ...paragraphs.map((paragraph) => `<p>${paragraph}</p>`),
    next ? `<p><a href="${next.href}">${next.label}</a></p>` : '',
    '</main></body></html>',
  ].join('');
  response.writeHead(status, {
    ...PAGE_HEADERS,
    'content-security-policy': POLICY,
    'cache-control': 'no-store',
    'content-type': 'text/html; charset=utf-8',
    ...headers,
  });
  response.end(html);
}
