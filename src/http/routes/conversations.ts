import { GatewayError } from '../../core/errors.ts';
import type { Item } from '../../core/items.ts';
import {
  conversationText,
  decodeConversationCreate,
  decodeConversationUpdate,
  decodeInclude,
  decodeItemsCreate,
  deletedConversation,
  itemText,
} from '../../protocols/responses/conversation.ts';
import { checkConversationId } from '../../protocols/responses/conversation-id.ts';
import { decodePage, itemListText, unknownAfter } from '../../protocols/responses/input-items-page.ts';
import {
  type AppendedItems,
  type Conversation,
  conversationLocked,
  conversationNotFound,
} from '../../store/conversation-store.ts';
import type { Store, StoredItem, TenantStore } from '../../store/store.ts';
import { appendedItems, type Making, writeOnce } from '../../turn/append-items.ts';
import { hasBody } from '../check-request.ts';
import type { KeyExchange, Route } from '../route.ts';
import { sendJson } from '../send-json.ts';
import { shownItem } from '../shown-item.ts';
import { sessionHeader } from '../session-header.ts';

/** The Conversations API. Every handler opens the store with the caller's tenant, and nothing else reaches the store. */
export function conversationsRoutes(store: Store, making: Making): Route[] {
  const tenantOf = ({ principal }: KeyExchange): TenantStore => store.forTenant(principal.tenant);
  const read = async (exchange: KeyExchange, id: string): Promise<Conversation> =>
    (await tenantOf(exchange).conversations.read(id)) ?? fail(notFound(id));
  const appendedOf = (exchange: KeyExchange, items: Item[]): Promise<AppendedItems> =>
    appendedItems(tenantOf(exchange), items, exchange.principal.keyId, making);

  return [
    {
      method: 'POST',
      path: '/v1/conversations',
      auth: 'key',
      // SDKs send no body where there is nothing to say.
      content: 'none',
      async handle(exchange) {
        const { request, response } = exchange;
        const { items, metadata } = decodeConversationCreate(hasBody(request) ? await exchange.body() : {});
        const createdAtMs = making.nowMs();
        const conversation = {
          id: making.ids.mint('conv', createdAtMs),
          createdAtMs,
          sessionId: sessionHeader(request) ?? making.ids.mint('sess', createdAtMs),
          metadata: JSON.stringify(metadata),
        };
        const appended = items.length === 0 ? undefined : await appendedOf(exchange, items);
        const { conversations } = tenantOf(exchange);
        await writeOnce(making, () => conversations.create(conversation, appended));
        sendJson(response, textOf(conversation));
      },
    },
    {
      method: 'GET',
      path: '/v1/conversations/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        sendJson(exchange.response, textOf(await read(exchange, idOf(exchange))));
      },
    },
    {
      method: 'POST',
      path: '/v1/conversations/{id}',
      auth: 'key',
      content: 'json',
      async handle(exchange) {
        const id = idOf(exchange);
        const metadata = JSON.stringify(decodeConversationUpdate(await exchange.body()));
        if (!(await tenantOf(exchange).conversations.setMetadata(id, metadata))) throw notFound(id);
        sendJson(exchange.response, textOf(await read(exchange, id)));
      },
    },
    {
      method: 'DELETE',
      path: '/v1/conversations/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = idOf(exchange);
        if (!(await tenantOf(exchange).conversations.delete(id, making.nowMs()))) throw notFound(id);
        sendJson(exchange.response, JSON.stringify(deletedConversation(id)));
      },
    },
    {
      method: 'POST',
      path: '/v1/conversations/{id}/items',
      auth: 'key',
      content: 'json',
      async handle(exchange) {
        const id = idOf(exchange);
        const include = decodeInclude(exchange.query);
        const items = decodeItemsCreate(await exchange.body());
        await read(exchange, id);
        const appended = await appendedOf(exchange, items);
        if (items.length > 0) {
          const { conversations } = tenantOf(exchange);
          const outcome = await writeOnce(making, () => conversations.append(id, appended));
          if (outcome === 'not-found') throw notFound(id);
          if (outcome === 'locked') throw conversationLocked();
        }
        sendJson(exchange.response, listText(appended.items, include, false));
      },
    },
    {
      method: 'GET',
      path: '/v1/conversations/{id}/items',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = idOf(exchange);
        const page = decodePage(exchange.query);
        const include = decodeInclude(exchange.query);
        await read(exchange, id);
        const found = await tenantOf(exchange).conversations.listItems(id, page);
        if (found === undefined) throw unknownAfter();
        const { seal } = tenantOf(exchange);
        const shown = found.slice(0, page.limit).map((item) => shownItem(seal, item, include));
        sendJson(exchange.response, listText(shown, include, found.length > page.limit));
      },
    },
    {
      method: 'GET',
      path: '/v1/conversations/{id}/items/{item}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = idOf(exchange);
        const include = decodeInclude(exchange.query);
        await read(exchange, id);
        const itemId = exchange.params['item'] ?? '';
        const found = await tenantOf(exchange).conversations.readItem(id, itemId);
        if (found === undefined) throw itemNotFound(itemId);
        const { type, body } = shownItem(tenantOf(exchange).seal, found, include);
        sendJson(exchange.response, itemText(type, body, include));
      },
    },
    {
      method: 'DELETE',
      path: '/v1/conversations/{id}/items/{item}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = idOf(exchange);
        const conversation = await read(exchange, id);
        const itemId = exchange.params['item'] ?? '';
        if (!(await tenantOf(exchange).conversations.deleteItem(id, itemId))) throw itemNotFound(itemId);
        sendJson(exchange.response, textOf(conversation));
      },
    },
  ];
}

function idOf({ params }: KeyExchange): string {
  return checkConversationId(params['id'] ?? '', 'conversation_id');
}

function textOf({ id, createdAtMs, metadata }: Conversation): string {
  return conversationText(id, createdAtMs, metadata);
}

function listText(items: StoredItem[], include: ReadonlySet<string>, hasMore: boolean): string {
  const shown = items.map(({ id, type, body }) => ({ id, body: itemText(type, body, include) }));
  return itemListText(shown, hasMore);
}

function fail(error: GatewayError): never {
  throw error;
}

function notFound(id: string): GatewayError {
  return conversationNotFound(id, 'conversation_id');
}

function itemNotFound(id: string): GatewayError {
  return new GatewayError('item_not_found', `Item with id '${id.slice(0, 256)}' not found.`, { param: 'item_id' });
}
