import { DropdownMenu } from 'radix-ui';
import { explain, useLink } from '../../live.ts';
import { Icon } from '../../parts/icon.tsx';
import { useToast } from '../../parts/toast.tsx';
import { words } from '../../words/current.ts';

const choices = [
  { minutes: 15, text: words.pause.quarter },
  { minutes: 60, text: words.pause.hour },
  { minutes: null, text: words.pause.open },
] as const;

/** Pausing refuses every call at once. While paused, the banner has the way back. */
export function PauseMenu({ paused }: { paused: boolean }) {
  const { bridge } = useLink();
  const toast = useToast();
  if (paused) return null;
  const pause = async (minutes: number | null): Promise<void> => {
    try {
      const result = await bridge.call('pause', { minutes });
      if (!result.ok) toast({ text: result.message, tone: 'bad' });
    } catch (error) {
      toast({ text: explain(error), tone: 'bad' });
    }
  };
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="button">
        <Icon name="pause" />
        {words.pause.pause}
        <Icon name="down" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Content className="menu" align="end" sideOffset={6}>
        <DropdownMenu.Label className="menu-label">{words.pause.all}</DropdownMenu.Label>
        {choices.map(({ minutes, text }) => (
          <DropdownMenu.Item key={text} className="menu-item" onSelect={() => void pause(minutes)}>
            {text}
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu.Root>
  );
}
