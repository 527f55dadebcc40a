import './theme/fonts.css';
import './theme/tokens.css';
import './theme/base.css';
import './theme/controls.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { openLink } from './bridge.ts';
import { language } from './words/current.ts';

const theme = new URLSearchParams(location.search).get('theme');
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
document.documentElement.lang = language;

const root = document.getElementById('root');
if (!root) throw new Error('index.html: expected an element with the id "root", found none. The build is incomplete.');
createRoot(root).render(
  <StrictMode>
    <App link={openLink()} />
  </StrictMode>,
);
