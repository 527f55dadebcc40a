/** One event of a text/event-stream body. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** The events of a stream as they come (HTML, section 9.2.6). Comments and fields we do not use are passed over. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split('\n');
      const field = (name: string) =>
        lines.flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : [])).join('\n');
      if (field('data') !== '') yield { name: field('event'), data: field('data') };
    }
  }
}
