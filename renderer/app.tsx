import { useEffect } from 'react';
import type { Link } from './bridge.ts';
import { LinkContext, useConnection, useLive } from './live.ts';
import { ToastRoom } from './parts/toast.tsx';
import { go, useRoute } from './route.ts';
import { ActivityPage } from './views/activity/activity-page.tsx';
import { ApprovalPage } from './views/approval/approval-page.tsx';
import { AppsPage } from './views/apps/apps-page.tsx';
import { EndedPage } from './views/ended/ended-page.tsx';
import { Frame } from './views/frame/frame.tsx';
import { HomePage } from './views/home/home-page.tsx';
import { ToolsPage } from './views/tools/tools-page.tsx';
import { WelcomePage } from './views/welcome/welcome-page.tsx';

export function App({ link }: { link: Link }) {
  return (
    <LinkContext value={link}>
      <ToastRoom>
        <Window link={link} />
      </ToastRoom>
    </LinkContext>
  );
}

function Window({ link }: { link: Link }) {
  const connection = useConnection();
  const route = useRoute();
  const status = useLive('status', {}, ['status', 'questions']);
  const enrolled = status.value && status.value.state !== 'not-enrolled';

  useEffect(
    () =>
      link.bridge.on('navigate', ({ page }) => {
        location.hash = `#/${page.replace(/^[#/]+/u, '')}`;
      }),
    [link],
  );
  useEffect(() => {
    if (enrolled === false && route.page !== 'approval' && route.page !== 'welcome') go('welcome');
  }, [enrolled, route.page]);

  if (connection === 'ended') return <EndedPage />;
  if (route.page === 'approval') return <ApprovalPage />;
  if (route.page === 'welcome' || enrolled === false) return <WelcomePage status={status} />;
  return (
    <Frame status={status} page={route.page}>
      {route.page === 'home' && <HomePage status={status.value} />}
      {route.page === 'tools' && <ToolsPage status={status.value} target={route.target} />}
      {route.page === 'apps' && <AppsPage adding={route.target === 'add'} />}
      {route.page === 'activity' && <ActivityPage target={route.target} />}
    </Frame>
  );
}
