// llama.cpp's speed: node generate.mjs MODEL.gguf prefill TOKENS ROUNDS, or node generate.mjs MODEL.gguf decode SEQUENCES ROUNDS.
// Prints tokens per second, the median of the rounds after one that warms up, of all sequences together.
import { availableParallelism } from 'node:os';
import { getLlama } from 'node-llama-cpp';

const [, , file, kind, number, repeats] = process.argv;
const count = Number(number), answer = 64, rounds = Number(repeats), threads = availableParallelism();
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: threads });
const model = await llama.loadModel({ modelPath: file });
const ids = length => Array.from({ length }, (_, i) => (i * 7919) % 50257);
const sequenceCount = kind === 'decode' ? count : 1;
const context = await model.createContext({ contextSize: kind === 'decode' ? 16 + answer + 8 : count + 8, batchSize: 512, sequences: sequenceCount, threads });
const sequences = Array.from({ length: sequenceCount }, () => context.getSequence());

async function prefill() {
  await sequences[0].clearHistory();
  const start = performance.now();
  await sequences[0].evaluateWithoutGeneratingNewTokens(ids(count));
  return count / (performance.now() - start) * 1000;
}

// The clock starts when every sequence has its first token: the prompts are read by then.
async function decode() {
  let waiting = sequenceCount, start;
  await Promise.all(sequences.map(sequence => sequence.clearHistory()));
  await Promise.all(sequences.map(async sequence => {
    let seen = 0;
    for await (const _ of sequence.evaluate(ids(16), { temperature: 0, yieldEogToken: true })) {
      if (++seen === 1 && --waiting === 0) start = performance.now();
      if (seen === answer) break;
    }
  }));
  return sequenceCount * (answer - 1) / (performance.now() - start) * 1000;
}

const measure = kind === 'decode' ? decode : prefill;
await measure();
const found = [];
for (let round = 0; round < rounds; round++) found.push(await measure());
found.sort((a, b) => a - b);
console.log(JSON.stringify({ tokensPerSecond: found[rounds >> 1] }));
process.exit(0);
