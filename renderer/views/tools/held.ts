import type { OfferView, ToolSetView } from '../../../preload/contract.ts';

/** Different from what was approved, or new. */
export function isHeld({ state }: OfferView): boolean {
  return state === 'changed' || state === 'unpinned';
}

/** What is held back comes first; the rest keeps the organisation's order. */
export function byAttention(a: OfferView, b: OfferView): number {
  return Number(isHeld(b)) - Number(isHeld(a));
}

/** What of a tool set is to be shown. */
export type Shown = Pick<ToolSetView, 'actions' | 'prompts' | 'templates'>;

/** What matches the words, all of it when the set itself does, undefined when nothing does. */
export function matching(set: ToolSetView, wanted: string): Shown | undefined {
  const has = (...texts: readonly string[]): boolean => texts.some((text) => text.toLocaleLowerCase().includes(wanted));
  if (!wanted || has(set.title, set.alias, set.description, set.owner)) return set;
  const among = <T extends OfferView>(offers: readonly T[]): T[] =>
    offers.filter((offer) => has(offer.title, offer.name, offer.description));
  const found = {
    actions: among(set.actions),
    prompts: among(set.prompts),
    templates: among(set.templates),
  };
  return found.actions.length + found.prompts.length + found.templates.length > 0 ? found : undefined;
}
