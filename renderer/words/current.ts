import { en } from './en.ts';

export type Words = typeof en;

const languages: Readonly<Record<string, Words>> = { en };

/** The reader's first language we speak. */
export const language =
  navigator.languages.map((tag) => tag.split('-')[0] ?? '').find((tag) => tag in languages) ?? 'en';
export const words: Words = languages[language] ?? en;
