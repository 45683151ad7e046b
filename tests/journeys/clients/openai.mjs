// One errand of the OpenAI Node SDK: node openai.mjs ERRAND MODEL. Prints one JSON document: what the SDK made of the answers.
import OpenAI from 'openai'

const [errand, model] = process.argv.slice(2)
const client = new OpenAI({ apiKey: process.env.JOURNEY_KEY, baseURL: process.env.JOURNEY_BASE_URL })
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
  async tools() {
    const first = await client.chat.completions.create({ model, messages, tools: [add] })
    const [call] = first.choices[0].message.tool_calls
    const result = { role: 'tool', tool_call_id: call.id, content: '42' }
    const last = await client.chat.completions.create({
      model, messages: [...messages, first.choices[0].message, result], tools: [add],
    })
    return {
      first_finish: first.choices[0].finish_reason, name: call.function.name, arguments: JSON.parse(call.function.arguments),
      content: last.choices[0].message.content, finish: last.choices[0].finish_reason,
    }
  },
  async parse() {
    const answer = await client.chat.completions.parse({ model, messages, response_format: answer_schema })
    return { parsed: answer.choices[0].message.parsed ?? JSON.parse(answer.choices[0].message.content) }
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
