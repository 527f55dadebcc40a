/** The page a gatehouse:// link opens, or nothing for a link we do not know. A link only ever shows a page; the person decides. */
export function pageOfLink(link: string): string | undefined {
  let url: URL;
  try {
    url = new URL(link);
  } catch {
    // Handed over by the operating system, written by anyone.
    return undefined;
  }
  if (url.protocol !== 'gatehouse:' || url.host !== 'enrol') return undefined;
  const source = url.searchParams.get('source') ?? '';
  return isHttps(source) ? `welcome/${encodeURIComponent(source)}` : 'welcome';
}

/** A web page may have sent the person here: it must not make Gatehouse read files or speak plain HTTP. */
function isHttps(source: string): boolean {
  return URL.canParse(source) && new URL(source).protocol === 'https:';
}
