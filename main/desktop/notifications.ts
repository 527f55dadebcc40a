import { Notification } from 'electron';
import type { Log } from '../ports.ts';

export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly onClick?: () => void;
  /** Stays until the person acts, where the system can do that. */
  readonly lasting?: boolean;
}

export interface Notices {
  /** Shows a notice; the answer withdraws it. */
  show(notice: Notice): () => void;
}

/** Operating system notifications. A notice that nobody can show is written to the log: nothing depends on it. */
export function createNotices(log: Log): Notices {
  // Held here, or the garbage collector takes a notification and its click with it.
  const shown = new Set<Notification>();
  return {
    show({ title, body, onClick, lasting }) {
      if (!Notification.isSupported()) {
        log.info('notice-not-shown', { title });
        return () => {};
      }
      const notification = new Notification({ title, body, timeoutType: lasting ? 'never' : 'default' });
      const forget = () => shown.delete(notification);
      notification.on('click', () => {
        forget();
        onClick?.();
      });
      notification.on('close', forget);
      notification.on('failed', (_event, error) => {
        forget();
        log.info('notice-not-shown', { title, error });
      });
      shown.add(notification);
      notification.show();
      return () => {
        if (forget()) notification.close();
      };
    },
  };
}
