// Compares ids with tiktoken's: node tiktoken-check.mjs FILE, whose rows are {"text": …, "ids": {"cl100k_base": […], …}}. Prints the rows and the differences.
import { readFileSync } from 'node:fs';
import { get_encoding } from 'tiktoken';

const rows = readFileSync(process.argv[2], 'utf8').trim().split('\n').map(line => JSON.parse(line));
const encodings = Object.fromEntries(Object.keys(rows[0].ids).map(name => [name, get_encoding(name)]));
const examples = [];
let compared = 0, different = 0;
for (const { text, ids } of rows)
  for (const [name, ours] of Object.entries(ids)) {
    const theirs = Array.from(encodings[name].encode_ordinary(text));
    compared++;
    if (theirs.join() === ours.join()) continue;
    if (different++ < 10) examples.push(`${name} ${JSON.stringify(text)}: tiktoken ${theirs.join(' ')}, ours ${ours.join(' ')}`);
  }
console.log(JSON.stringify({ compared, different, examples }));
