import { describe, expect, it } from 'vitest';
import { pageOfLink } from '../../../main/desktop/link.ts';

describe('when a gatehouse link is opened', () => {
  it('shows the welcome page with the address it names', () => {
    expect(pageOfLink('gatehouse://enrol?source=https%3A%2F%2Facme.example%2Forg.json')).toBe(
      'welcome/https%3A%2F%2Facme.example%2Forg.json',
    );
    expect(pageOfLink('GATEHOUSE://enrol')).toBe('welcome');
  });

  it.each(['file:///etc/passwd', 'http://acme.example/org.json', 'javascript:alert(1)', '/etc/passwd', '{}'])(
    'does not carry %s into the page',
    (source) => {
      expect(pageOfLink(`gatehouse://enrol?source=${encodeURIComponent(source)}`)).toBe('welcome');
    },
  );

  it.each(['gatehouse://quit', 'gatehouse://pause?minutes=1', 'https://enrol/', 'gatehouse:', 'x'])(
    'does nothing for %s',
    (link) => {
      expect(pageOfLink(link)).toBeUndefined();
    },
  );
});
