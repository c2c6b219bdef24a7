// The AI SDK with its providers, given a base URL. Usage: node ai_sdk.mjs BASE_URL
//
// CACHEWRIGHT_NODE_MODULES names the folder of the packages where it is not the one beside this file.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const folder = process.env.CACHEWRIGHT_NODE_MODULES;
const require = createRequire(folder ? pathToFileURL(`${folder}/../here.js`) : import.meta.url);
const { generateText, jsonSchema, stepCountIs, streamText, tool } = require('ai');
const { createAmazonBedrock } = require('@ai-sdk/amazon-bedrock');
const { createAnthropic } = require('@ai-sdk/anthropic');
const { createGoogleGenerativeAI } = require('@ai-sdk/google');
const { createOpenAI } = require('@ai-sdk/openai');

const [base] = process.argv.slice(2);
const shared = readFileSync(new URL('common.py', import.meta.url), 'utf8');
const png = shared.match(/PNG = \(\s*"(.*)"\s*"(.*)"/).slice(1).join('');
let long = '';
for (let n = 0; n < 1200; n += 1) long += `fact ${n}: every shelf has a number; `;

const openai = createOpenAI({ apiKey: 'sk-test', baseURL: `${base}/v1` });
const models = {
  anthropic: createAnthropic({ apiKey: 'sk-ant-test', baseURL: `${base}/v1` })('claude-sonnet-5'),
  chat: openai.chat('gpt-5.6'),
  responses: openai.responses('gpt-5.6'),
  bedrock: createAmazonBedrock({ apiKey: 'ABSK-test', region: 'us-east-1', baseURL: base })(
    'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  ),
  google: createGoogleGenerativeAI({ apiKey: 'g-test', baseURL: `${base}/v1beta` })('gemini-2.5-pro'),
};
const weather = tool({
  description: 'The weather.',
  inputSchema: jsonSchema({
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
  }),
  execute: async () => 'sunny',
});

const seen = {};
const reads = {};

// Members that differ from call to call.
const fleeting = new Set([
  'id', 'toolCallId', 'itemId', 'responseId', 'timestamp', 'providerMetadata', 'callProviderMetadata',
  'headers', 'response', 'request', 'body', 'usage', 'totalUsage', 'logprobs',
]);
const lasting = (value) => {
  if (Array.isArray(value)) return value.map(lasting);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value).filter(([name]) => !fleeting.has(name));
  return Object.fromEntries(kept.map(([name, one]) => [name, lasting(one)]));
};

// All tokens, without how the input was billed; notes what was read.
const counts = (name, usage) => {
  reads[name].push(usage.inputTokenDetails?.cacheReadTokens ?? usage.cachedInputTokens ?? 0);
  return { input: usage.inputTokens, output: usage.outputTokens, total: usage.totalTokens };
};

const document = (name, answer) => ({
  text: answer.text,
  finish: answer.finishReason,
  calls: lasting(answer.toolCalls),
  results: lasting(answer.toolResults),
  warnings: lasting(answer.warnings),
  steps: answer.steps.map((step) => ({
    content: lasting(step.content),
    finish: step.finishReason,
    usage: counts(name, step.usage),
  })),
});

const step = async (name, what, action) => {
  try {
    seen[`${name}: ${what}`] = await action();
  } catch (error) {
    seen[`${name}: ${what}`] = { error: error.name, status: error.statusCode, said: error.message };
  }
};

for (const [name, model] of Object.entries(models)) {
  reads[name] = [];
  const ask = (content, more = {}) => ({
    model,
    system: long,
    messages: [{ role: 'user', content }],
    maxOutputTokens: 40,
    maxRetries: 0,
    ...more,
  });
  const generate = async (content, more) => document(name, await generateText(ask(content, more)));
  const stream = async (content, more) => {
    const answer = streamText(ask(content, { onError: () => {}, ...more }));
    const parts = [];
    for await (const part of answer.fullStream) {
      if (part.type === 'finish-step') counts(name, part.usage);
      parts.push(lasting(part));
    }
    return parts;
  };
  const tools = { tools: { weather }, stopWhen: stepCountIs(3) };
  await step(name, 'generate', () => generate('What stands on shelf one?'));
  await step(name, 'generate again', () => generate('What stands on shelf two?'));
  await step(name, 'stream', () => stream('What stands on shelf three?'));
  await step(name, 'tools', () => generate('Please use the tool.', tools));
  await step(name, 'tools streamed', () => stream('Please use the tool.', tools));
  await step(name, 'image', () =>
    generate([
      { type: 'text', text: 'What is this?' },
      { type: 'image', image: Buffer.from(png, 'base64'), mediaType: 'image/png' },
    ]),
  );
  await step(name, 'left early', async () => {
    const leaving = new AbortController();
    const answer = streamText(
      ask('What stands on shelf nine?', { abortSignal: leaving.signal, onError: () => {} }),
    );
    for await (const text of answer.textStream) {
      leaving.abort();
      return text;
    }
    return 'nothing was said';
  });
}
process.stdout.write(JSON.stringify({ seen, reads }));
