// A file of its own, also in the build: `published-prices.ts` reads it when it must.
export { calcPrice } from '@pydantic/genai-prices';
