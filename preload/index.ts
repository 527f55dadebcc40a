import { contextBridge, ipcRenderer } from 'electron';
import type { Bridge } from './contract.ts';

type Answer = { ok: true; value: unknown } | { ok: false; code: string; message: string };

const bridge = {
  call: async (name: string, args: unknown) => {
    const answer: Answer = await ipcRenderer.invoke('gatehouse:call', name, args);
    if (!answer.ok) throw new Error(answer.message);
    return answer.value;
  },
  on: (name: string, listener: (payload: unknown) => void) => {
    const hear = (_event: unknown, heard: unknown, payload: unknown) => {
      if (heard === name) listener(payload);
    };
    ipcRenderer.on('gatehouse:event', hear);
    return () => {
      ipcRenderer.off('gatehouse:event', hear);
    };
  },
};

contextBridge.exposeInMainWorld('gatehouse', bridge satisfies Record<keyof Bridge, unknown>);
