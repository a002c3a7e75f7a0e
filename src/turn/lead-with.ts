import type { Emit } from '../core/events.ts';
import { tell } from '../core/item-events.ts';
import type { NativeItem } from '../core/items.ts';

/** Puts one finished item in front of a reply's own, once that has begun to say something. */
export function leadWith(item: NativeItem, emit: Emit): Emit {
  let led = false;
  function lead(): void {
    if (led) return;
    led = true;
    emit({ type: 'item-start', index: 0, start: { kind: 'native', item: { ...item, encrypted_content: '' } } });
    tell(emit, 0, 'compaction.compacting', {});
    emit({ type: 'item-end', index: 0, complete: true, source: '', native: item });
  }
  return (event) => {
    if (event.type === 'item-start' || event.type === 'response-end') lead();
    emit('index' in event ? { ...event, index: event.index + 1 } : event);
  };
}
