import type { Light } from './pages.ts';

/** Pixels; everything on it is drawn at twice its size. */
export const SCREEN = { width: 1600, height: 1200 };

/** A panel along the top edge with a tray and a clock, and nothing else. */
export function panelSettings(light: Light): string {
  const property = (name: string, type: string, value: string | number | boolean) =>
    `<property name="${name}" type="${type}" value="${value}"/>`;
  const plugins = [1, 2, 3, 4].map((id) => `<value type="int" value="${id}"/>`).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  ${property('configver', 'int', 2)}
  <property name="panels" type="array">
    <value type="int" value="1"/>
    ${property('dark-mode', 'bool', light === 'dark')}
    <property name="panel-1" type="empty">
      ${property('position', 'string', 'p=6;x=0;y=0')}
      ${property('position-locked', 'bool', true)}
      ${property('length', 'uint', 100)}
      ${property('size', 'uint', 30)}
      <property name="plugin-ids" type="array">${plugins}</property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      ${property('expand', 'bool', true)}
      ${property('style', 'uint', 0)}
    </property>
    <property name="plugin-2" type="string" value="systray">
      ${property('icon-size', 'int', 20)}
      ${property('square-icons', 'bool', true)}
    </property>
    <property name="plugin-3" type="string" value="clock">
      ${property('digital-layout', 'uint', 3)}
      ${property('digital-time-format', 'string', '%H:%M')}
      ${property('digital-time-font', 'string', 'Inter 10')}
    </property>
    <property name="plugin-4" type="string" value="separator">
      ${property('style', 'uint', 0)}
    </property>
  </property>
</channel>
`;
}

export function toolkitSettings(light: Light): string {
  return `[Settings]
gtk-theme-name=Adwaita
gtk-icon-theme-name=Adwaita
gtk-application-prefer-dark-theme=${light === 'dark' ? 1 : 0}
gtk-font-name=Inter 10
gtk-enable-animations=0
`;
}
