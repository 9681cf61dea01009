// Runs models with llama.cpp: node greedy.mjs JOBS.json, a list of {"model": file, "prompt": [ids], "count": n, "text": text}.
// Prints, for each, the most likely tokens after the prompt and the ids of the text.
import { readFileSync } from 'node:fs';
import { getLlama } from 'node-llama-cpp';

const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 1 });
const results = [];
for (const { model: file, prompt, count, text } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({ contextSize: prompt.length + count + 8, threads: 1, flashAttention: false });
  const tokens = [];
  for await (const token of context.getSequence().evaluate(prompt, { temperature: 0, yieldEogToken: true }))
    if (tokens.push(token) === count) break;
  results.push({ tokens, ids: model.tokenize(text), begin: model.tokens.bos, end: model.tokens.eos, template: model.fileInfo.metadata.tokenizer.chat_template ?? null });
  await context.dispose();
  await model.dispose();
}
console.log(JSON.stringify(results));
process.exit(0);
