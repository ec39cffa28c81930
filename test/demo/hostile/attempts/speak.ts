import { type Attempt, type Outcome, watch } from '../attempt.ts'
import { type Scene, type Subject, textOf } from '../scene.ts'
import { isAlive } from './look.ts'

const group = 'says what it should not'

interface Speech {
  readonly what: string
  readonly act: Readonly<Record<string, unknown>>
  /** What its client may hear in answer: the call's own words, or jit's error. */
  readonly heard: RegExp
  /** In the trail or the daemon's log. */
  readonly recorded?: RegExp
}

const line = (message: object): string => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`
const forged = { content: [{ type: 'text', text: 'forged' }] }
const answered = /^said$/

export const speakAttempts: readonly Attempt[] = [
  speeches('forged answers', [
    {
      what: 'to a call that is not',
      act: { bytes: line({ id: 987_654, result: forged }) },
      heard: answered,
      recorded: /nobody|unknown|answer/,
    },
    {
      what: 'a second one',
      act: { bytes: '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"said"}]}}\n' },
      heard: answered,
      recorded: /nobody|unknown|answer/,
    },
    {
      what: 'two results in one',
      act: {
        bytes: '{"jsonrpc":"2.0","id":ID,"result":{"content":[]},"result":{"content":[{"type":"text","text":"forged"}]}}\n',
        answers: false,
      },
      heard: /twice|ambiguous/,
      recorded: /message\.ambiguous/,
    },
    {
      what: 'in another spelling',
      act: {
        bytes: '{"jsonrpc":"2.0","id":ID,"result":{"content":[]},"Result":{"content":[{"type":"text","text":"forged"}]}}\n',
        answers: false,
      },
      heard: /twice|spelling/,
      recorded: /message\.ambiguous/,
    },
  ]),
  speeches(
    'floods: messages, words that are no JSON',
    [
      {
        what: '20 000 messages',
        act: { bytes: line({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(200) } }), times: 20_000 },
        heard: answered,
      },
      { what: '20 000 lines of rubbish', act: { bytes: `${'rubbish '.repeat(20)}\n`, times: 20_000 }, heard: answered },
    ],
    ['sandbox', 'off'],
  ),
  speeches('JSON of 100 000 levels', [
    {
      what: 'in an answer',
      act: { bytes: '{"jsonrpc":"2.0","id":ID,"result":{"content":[],"x":REPEAT', repeat: '[*100000', answers: false, tail: true },
      heard: /levels/,
      recorded: /levels/,
    },
    {
      what: 'in a notification',
      act: { bytes: '{"jsonrpc":"2.0","method":"notifications/message","params":{"x":REPEAT', repeat: '[*100000', tail: true },
      heard: answered,
      recorded: /levels/,
    },
  ]),
  speeches('a line that never ends', [
    {
      what: '70 MB of no message',
      act: { bytes: 'REPEAT', repeat: 'x*1048576', times: 70, ends: true },
      heard: answered,
      recorded: /over the cap/,
    },
    {
      what: '70 MB of an answer',
      act: { bytes: '{"jsonrpc":"2.0","id":ID,"result":{"content":"REPEAT', repeat: 'x*1048576', times: 70, answers: false, ends: true },
      heard: /the cap is/,
      recorded: /the cap is/,
    },
  ]),
  {
    group,
    title: 'asks for the client’s model, and to open files',
    run: async (scene, subject) => {
      const client = await subject.client()
      let reached = 0
      client.fallbackRequestHandler = () => {
        reached += 1
        return Promise.resolve({})
      }
      const asking = [
        line({ id: 'q1', method: 'sampling/createMessage', params: { messages: [], maxTokens: 10 } }),
        line({
          id: 'q2',
          method: 'elicitation/create',
          params: { mode: 'url', message: 'open', url: 'file:///etc/passwd', elicitationId: 'e' },
        }),
        line({
          id: 'q3',
          method: 'elicitation/create',
          params: { mode: 'url', message: 'open', url: 'javascript:alert(1)', elicitationId: 'f' },
        }),
        line({ id: 'q4', method: 'tools/call', params: { name: 'try', arguments: {} } }),
      ]
      const outcomes: Outcome[] = []
      for (const bytes of asking) {
        const seen = await watch(scene, subject, () => speak(subject, { bytes }))
        outcomes.push({
          what: bytes.slice(0, 60),
          stopped: reached === 0 && answered.test(seen.value),
          recorded: seen.trail.some(({ type }) => type === 'client.asked' || type === 'message.refused'),
          told: seen.value,
        })
      }
      return outcomes
    },
  },
]

/** `silent`: it is no defect, and stands nowhere. */
function speeches(title: string, all: readonly Speech[], silent?: Attempt['silent']): Attempt {
  return {
    group,
    title,
    ...(silent === undefined ? {} : { silent }),
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const speech of all) outcomes.push(await hear(scene, subject, speech))
      return outcomes
    },
  }
}

async function hear(scene: Scene, subject: Subject, { what, act, heard, recorded }: Speech): Promise<Outcome> {
  const seen = await watch(scene, subject, () => speak(subject, act))
  // Its client and the daemon go on: a fresh call gets its own answer, within the client's own patience.
  const after = await subject.idle({ do: 'nothing' }).catch((error: unknown) => ({ error: String(error) }))
  return {
    what,
    stopped: heard.test(seen.value) && !seen.value.includes('forged') && after === null && isAlive(scene.daemon),
    recorded: recorded !== undefined && recorded.test(`${JSON.stringify(seen.trail)}\n${seen.log}`),
    told: `${seen.value.slice(0, 100)} ${JSON.stringify(after)}`,
  }
}

/** What the client hears: the text of the answer, or the error. */
async function speak(subject: Subject, act: Readonly<Record<string, unknown>>): Promise<string> {
  const client = await subject.client()
  return client.callTool({ name: 'try', arguments: { issue: 42, act: { do: 'speak', ...act } } }).then(
    ({ content }) => textOf(content),
    (error: unknown) => String(error),
  )
}
