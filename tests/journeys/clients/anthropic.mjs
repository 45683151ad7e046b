// One errand of the Anthropic TypeScript SDK: node anthropic.mjs ERRAND MODEL. Prints one JSON document: what the SDK made of the answers.
import Anthropic from '@anthropic-ai/sdk'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { z } from 'zod'

const [errand, model] = process.argv.slice(2)
const client = new Anthropic({ apiKey: process.env.JOURNEY_KEY, baseURL: process.env.JOURNEY_BASE_URL })
const messages = [{ role: 'user', content: process.env.JOURNEY_TEXT ?? 'Hello!' }]

const add = {
  name: 'add',
  description: 'Adds two numbers',
  input_schema: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } }, required: ['a', 'b'] },
}

const greeting = z.object({ text: z.string(), loud: z.boolean() })
const thinking = { max_tokens: 2048, thinking: { type: 'adaptive', display: 'summarized' } }
const shown = (answer) => ({ content: answer.content, stop: answer.stop_reason, usage: answer.usage })

const round = async (ask, more = { max_tokens: 256 }) => {
  const tools = [add]
  const first = await ask({ model, ...more, messages, tools })
  const call = first.content.find((block) => block.type === 'tool_use')
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: '42' }] }
  const history = [...messages, { role: 'assistant', content: first.content }, result]
  const last = await ask({ model, ...more, messages: history, tools })
  return { first_stop: first.stop_reason, name: call.name, arguments: call.input, content: last.content, stop: last.stop_reason }
}

const errands = {
  async message() {
    return shown(await client.messages.create({ model, max_tokens: 256, messages }))
  },
  async stream() {
    return shown(await client.messages.stream({ model, max_tokens: 256, messages }).finalMessage())
  },
  tools: () => round((body) => client.messages.create(body)),
  tools_stream: () => round((body) => client.messages.stream(body).finalMessage()),
  async thinking() {
    return shown(await client.messages.create({ model, ...thinking, messages }))
  },
  async thinking_stream() {
    return shown(await client.messages.stream({ model, ...thinking, messages }).finalMessage())
  },
  thinking_tools: () => round((body) => client.messages.create(body), thinking),
  thinking_tools_stream: () => round((body) => client.messages.stream(body).finalMessage(), thinking),
  async parse_zod() {
    const output_config = { format: zodOutputFormat(greeting) }
    return { parsed: (await client.messages.parse({ model, max_tokens: 256, messages, output_config })).parsed_output }
  },
  async models() {
    const ids = []
    for await (const listed of client.models.list()) ids.push(listed.id)
    return { ids, retrieved: (await client.models.retrieve(model)).id }
  },
}

try {
  console.log(JSON.stringify(await errands[errand]()))
} catch (error) {
  console.log(JSON.stringify({ error: error.constructor.name, status: error.status, type: error.type, message: error.message }))
}
