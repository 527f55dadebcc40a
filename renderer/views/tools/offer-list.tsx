import { useId } from 'react';
import type { OfferView } from '../../../preload/contract.ts';
import { words } from '../../words/current.ts';
import { OfferRow } from './action-row.tsx';
import { byAttention } from './held.ts';

interface Props {
  readonly title: string;
  readonly detail: string;
  readonly offers: readonly OfferView[];
  /** Their names are addresses, shown where a title stands in their place. */
  readonly addresses?: boolean;
}

/** What a tool set has beside its tools: a small list of its own, absent where there is nothing. */
export function OfferList({ title, detail, offers, addresses = false }: Props) {
  const titleId = useId();
  if (offers.length === 0) return null;
  return (
    <section className="offers" aria-labelledby={titleId}>
      <header>
        <h3 id={titleId}>{title}</h3>
        <p className="tiny faint">{detail}</p>
      </header>
      <ul className="action-list">
        {[...offers].sort(byAttention).map((offer) => (
          <OfferRow
            key={offer.name}
            offer={offer}
            effects={words.tools.offerEffects}
            heading="h4"
            address={addresses && offer.name !== offer.title ? offer.name : undefined}
          />
        ))}
      </ul>
    </section>
  );
}
