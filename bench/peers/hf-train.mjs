// Trains a byte-level BPE of 30,000 tokens (the library's default size) with Hugging Face tokenizers: node hf-train.mjs FILE
import hf from '@anush008/tokenizers';

const tokenizer = new hf.Tokenizer(hf.BPE.empty());
tokenizer.setPreTokenizer(hf.byteLevelPreTokenizer(false, true));
const start = process.hrtime.bigint();
tokenizer.train([process.argv[2]]);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1024, tokens: tokenizer.getVocabSize() }));
