import { Icon } from './icon.tsx';

export function SearchField({
  value,
  onChange,
  label,
}: {
  value: string;
  onChange: (value: string) => void;
  label: string;
}) {
  return (
    <label className="search">
      <span className="unseen">{label}</span>
      <Icon name="search" />
      <input
        className="input"
        type="search"
        value={value}
        placeholder={label}
        maxLength={200}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    </label>
  );
}
