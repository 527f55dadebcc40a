/** What a server process may inherit: the SDK's short list of what is needed to run and says nothing secret. A test holds it against the SDK. */
const INHERITED: Readonly<Record<'win32' | 'other', readonly string[]>> = {
  win32: [
    'APPDATA',
    'COMSPEC',
    'HOMEDRIVE',
    'HOMEPATH',
    'LOCALAPPDATA',
    'PATH',
    'PATHEXT',
    'PROCESSOR_ARCHITECTURE',
    'PROGRAMDATA',
    'PROGRAMFILES',
    'PROGRAMFILES(X86)',
    'PROGRAMW6432',
    'SYSTEMDRIVE',
    'SYSTEMROOT',
    'TEMP',
    'USERNAME',
    'USERPROFILE',
    'WINDIR',
  ],
  other: ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER'],
};

/** The variables of that list that are set, without shell functions. */
export function inheritedEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of INHERITED[process.platform === 'win32' ? 'win32' : 'other']) {
    const value = process.env[name];
    if (value !== undefined && !value.startsWith('()')) environment[name] = value;
  }
  return environment;
}
