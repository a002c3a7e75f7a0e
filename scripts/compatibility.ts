import { writeFileSync } from 'node:fs';
import { compatibilityPage } from './compatibility/page.ts';

writeFileSync(new URL('../docs/compatibility.md', import.meta.url), await compatibilityPage());
