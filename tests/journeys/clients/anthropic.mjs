// One errand of the Anthropic TypeScript SDK: node anthropic.mjs ERRAND MODEL. Prints one JSON document: what the SDK made of the answers.
import Anthropic from '@anthropic-ai/sdk'

const [errand, model] = process.argv.slice(2)
const client = new Anthropic({ apiKey: process.env.JOURNEY_KEY, baseURL: process.env.JOURNEY_BASE_URL })
const messages = [{ role: 'user', content: process.env.JOURNEY_TEXT ?? 'Hello!' }]

const errands = {
  async message() {
    const answer = await client.messages.create({ model, max_tokens: 256, messages })
    return { content: answer.content, stop: answer.stop_reason, usage: answer.usage }
  },
  async stream() {
    const answer = await client.messages.stream({ model, max_tokens: 256, messages }).finalMessage()
    return { content: answer.content, stop: answer.stop_reason, usage: answer.usage }
  },
}

try {
  console.log(JSON.stringify(await errands[errand]()))
} catch (error) {
  console.log(JSON.stringify({ error: error.constructor.name, status: error.status, message: error.message }))
}
