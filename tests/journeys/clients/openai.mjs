// One errand of the OpenAI Node SDK: node openai.mjs ERRAND MODEL. Prints one JSON document: what the SDK made of the answers.
import OpenAI from 'openai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { z } from 'zod'

const [errand, model] = process.argv.slice(2)
const client = new OpenAI({
  apiKey: process.env.JOURNEY_KEY, baseURL: process.env.JOURNEY_BASE_URL, maxRetries: Number(process.env.JOURNEY_RETRIES ?? 2),
})
const text = process.env.JOURNEY_TEXT ?? 'Hello!'
const messages = [{ role: 'user', content: text }]
const add = {
  type: 'function',
  function: {
    name: 'add',
    description: 'Adds two numbers',
    parameters: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } }, required: ['a', 'b'] },
  },
}
const answer_schema = {
  type: 'json_schema',
  json_schema: {
    name: 'answer',
    strict: true,
    schema: { type: 'object', properties: { answer: { type: 'integer' } }, required: ['answer'], additionalProperties: false },
  },
}

const greeting = z.object({ text: z.string(), loud: z.boolean() })

const round = async (ask) => {
  const tools = [add]
  const first = (await ask({ model, messages, tools })).choices[0]
  const [call] = first.message.tool_calls
  const result = { role: 'tool', tool_call_id: call.id, content: '42' }
  const last = await ask({ model, messages: [...messages, first.message, result], tools })
  return {
    first_finish: first.finish_reason, name: call.function.name, arguments: JSON.parse(call.function.arguments),
    content: last.choices[0].message.content, finish: last.choices[0].finish_reason,
  }
}

const folded = (answer) => ({ text: answer.output_text, status: answer.status, usage: answer.usage })

const errands = {
  async chat() {
    const answer = await client.chat.completions.create({ model, messages })
    return { content: answer.choices[0].message.content, finish: answer.choices[0].finish_reason, usage: answer.usage }
  },
  async stream() {
    const stream = await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })
    const seen = { content: '', finish: null, usage: null, chunks: 0 }
    for await (const chunk of stream) {
      seen.chunks += 1
      seen.content += chunk.choices[0]?.delta?.content ?? ''
      seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish
      seen.usage = chunk.usage ?? seen.usage
    }
    return seen
  },
  tools: () => round((body) => client.chat.completions.create(body)),
  tools_stream: () => round((body) => client.chat.completions.stream(body).finalChatCompletion()),
  async parse() {
    const answer = await client.chat.completions.parse({ model, messages, response_format: answer_schema })
    return { parsed: answer.choices[0].message.parsed ?? JSON.parse(answer.choices[0].message.content) }
  },
  async parse_zod() {
    const answer = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(greeting, 'greeting') })
    return { parsed: answer.choices[0].message.parsed }
  },
  async responses() {
    return folded(await client.responses.create({ model, input: text }))
  },
  async responses_stream() {
    let said = ''
    for await (const event of await client.responses.create({ model, input: text, stream: true })) {
      if (event.type === 'response.output_text.delta') said += event.delta
      if (event.type === 'response.completed') return { ...folded(event.response), text: said }
    }
  },
  async responses_helper() {
    return folded(await client.responses.stream({ model, input: text }).finalResponse())
  },
  async responses_tools() {
    const tools = [{ type: 'function', ...add.function }]
    const first = await client.responses.create({ model, input: text, tools })
    const call = first.output.find((item) => item.type === 'function_call')
    const result = { type: 'function_call_output', call_id: call.call_id, output: '42' }
    const last = await client.responses.create({
      model, input: [{ role: 'user', content: text }, ...first.output, result], tools,
    })
    return { name: call.name, arguments: JSON.parse(call.arguments), ...folded(last) }
  },
  async responses_parse() {
    const format = { type: 'json_schema', ...answer_schema.json_schema }
    const answer = await client.responses.parse({ model, input: text, text: { format } })
    return { parsed: answer.output_parsed ?? JSON.parse(answer.output_text) }
  },
  async responses_parse_zod() {
    const answer = await client.responses.parse({ model, input: text, text: { format: zodTextFormat(greeting, 'greeting') } })
    return { parsed: answer.output_parsed }
  },
  async embeddings() {
    const input = ['Hello!', 'Good-bye!']
    const vectors = async (options) => (await client.embeddings.create({ model, ...options })).data.map((entry) => entry.embedding)
    return {
      packed: await vectors({ input }),
      plain: await vectors({ input, encoding_format: 'float' }),
      short: await vectors({ input: input[0], dimensions: 8 }),
    }
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
  console.log(JSON.stringify({ error: error.constructor.name, status: error.status, code: error.code, message: error.message }))
}
