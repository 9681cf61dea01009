// Encodes a file with tiktoken's WebAssembly build, as often as asked, each time with a new encoder: node tiktoken-encode.mjs VOCABULARY FILE TIMES
import { readFileSync } from 'node:fs';
import { get_encoding } from 'tiktoken';

const [vocabulary, file, times] = process.argv.slice(2);
const text = readFileSync(file, 'utf8');
let seconds = Infinity, tokens = 0;
for (let i = 0; i < Number(times); i++) {
  const encoding = get_encoding(vocabulary);
  encoding.encode_ordinary(text.slice(0, 1 << 16));
  const start = process.hrtime.bigint();
  tokens = encoding.encode_ordinary(text).length;
  seconds = Math.min(seconds, Number(process.hrtime.bigint() - start) / 1e9);
  encoding.free();
}
console.log(JSON.stringify({ seconds, tokens }));
