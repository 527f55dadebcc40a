import './app-mark.css';

/** The first letter of an app's or a tool's name on a stone. Decoration: the name stands beside it. */
export function AppMark({
  name,
  size = 'middle',
  quiet = false,
}: {
  name: string;
  size?: 'small' | 'middle' | 'large';
  quiet?: boolean;
}) {
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0]?.toLocaleUpperCase() ?? '·';
  return (
    <span className={`app-mark ${size}${quiet ? ' quiet' : ''}`} aria-hidden="true">
      {letter}
    </span>
  );
}
