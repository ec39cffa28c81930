import type { Spread } from './statistics.ts'

/** A picture of some figures, drawn as SVG without a library. */
export type Chart = BarChart | LineChart

interface ChartHead {
  /** Name of the file, without its ending. */
  readonly name: string
  readonly title: string
  /** What the figures are, and in which unit. */
  readonly axis: string
}

/** Groups of horizontal bars; the whisker reaches from p10 to p90. */
export interface BarChart extends ChartHead {
  readonly kind: 'bars'
  /** One colour for all, where names are amounts. */
  readonly plain?: boolean
  /** Lengths by powers of ten, where the groups lie far apart. */
  readonly logarithmic?: boolean
  /** A line through all bars, with its name. */
  readonly limit?: { readonly value: number; readonly name: string }
  readonly groups: readonly { readonly name: string; readonly bars: readonly { readonly name: string; readonly value: Spread }[] }[]
}

/** A line for each series over positions that are equally far from each other. */
export interface LineChart extends ChartHead {
  readonly kind: 'lines'
  readonly logarithmic?: boolean
  readonly limit?: { readonly value: number; readonly name: string }
  /** What the positions are. */
  readonly positionAxis: string
  readonly positions: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly (Spread | undefined)[] }[]
}

const width = 760
const font = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"'
const numbers = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

/** Colours that can be told apart by people who do not see all of them, on white and on black. */
const style = `
  .ground { fill: #ffffff }
  .title { fill: #1f2328; font-size: 16px; font-weight: 600 }
  .text { fill: #1f2328; font-size: 12.5px }
  .strong { fill: #1f2328; font-size: 12.5px; font-weight: 600 }
  .faint { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .whisker { stroke: #1f2328; stroke-width: 1.25; opacity: .65; fill: none }
  .limit { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .limit-text { fill: #cf222e; font-size: 12px }
  .fill0 { fill: #3b6fd4 } .fill1 { fill: #8c959f } .fill2 { fill: #d97a0b } .fill3 { fill: #1a9988 } .fill4 { fill: #a44fb8 }
  .line0 { stroke: #3b6fd4 } .line1 { stroke: #8c959f } .line2 { stroke: #d97a0b } .line3 { stroke: #1a9988 } .line4 { stroke: #a44fb8 }
  .line { fill: none; stroke-width: 2.25; stroke-linejoin: round }
  .band { opacity: .15 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    .title, .text, .strong { fill: #e6edf3 }
    .faint { fill: #9198a1 }
    .grid { stroke: #30363d }
    .whisker { stroke: #e6edf3 }
    .limit { stroke: #ff7b72 } .limit-text { fill: #ff7b72 }
    .fill0 { fill: #6d9bf1 } .fill1 { fill: #767e88 } .fill2 { fill: #f0a04b } .fill3 { fill: #3fbfae } .fill4 { fill: #c98bd9 }
    .line0 { stroke: #6d9bf1 } .line1 { stroke: #767e88 } .line2 { stroke: #f0a04b } .line3 { stroke: #3fbfae } .line4 { stroke: #c98bd9 }
    .band { opacity: .22 }
  }`

export function drawChart(chart: Chart): string {
  const { height, body } = chart.kind === 'bars' ? drawBars(chart) : drawLines(chart)
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(`${chart.title}: ${chart.axis}`)}" ${font}>
<style>${style}
</style>
<rect class="ground" width="${width}" height="${height}" rx="8"/>
${text(24, 32, 'title', chart.title)}
${text(24, 52, 'faint', chart.axis)}
${body.join('\n')}
</svg>
`
}

/** Where a value lies between 0 and 1. */
interface Scale {
  readonly ticks: readonly number[]
  at(value: number): number
}

function scaleOf(values: readonly number[], logarithmic: boolean): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && (!logarithmic || value > 0))
  const most = Math.max(...finite, Number.MIN_VALUE)
  if (!logarithmic) {
    const step = niceStep(most / 4)
    const end = Math.ceil((most * 1.001) / step) * step
    const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step)
    return { ticks, at: (value) => Math.max(0, value) / end }
  }
  const low = Math.floor(Math.log10(Math.min(...finite)) - 0.05)
  const high = Math.ceil(Math.log10(most))
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return { ticks, at: (value) => Math.max(0, (Math.log10(value) - low) / (high - low)) }
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 2.5, 5].find((step) => step * power >= rough) ?? 10) * power
}

function drawBars({ groups, plain = false, logarithmic = false, limit }: BarChart): { height: number; body: string[] } {
  const [left, right, top] = [190, width - 84, 74]
  const bars = groups.flatMap((group) => group.bars)
  const scale = scaleOf(
    [...bars.flatMap(({ value }) => [value.median, value.p90]), ...(limit === undefined ? [] : [limit.value])],
    logarithmic,
  )
  const x = (value: number): number => left + scale.at(value) * (right - left)
  // One colour for each name that a bar has, wherever it comes again; the first one is jit's in every picture.
  const names = ['jit', ...new Set(bars.map(({ name }) => name).filter((name) => name !== 'jit'))]
  const body: string[] = []
  let y = top
  for (const group of groups) {
    if (group.name !== '') body.push(text(24, y + 12, 'strong', group.name))
    if (group.name !== '' && group.bars.length > 0) y += 20
    for (const { name, value } of group.bars) {
      const end = Math.max(x(value.median), left + 1.5)
      body.push(
        text(left - 10, y + 14, 'text', name, 'end'),
        `<rect class="fill${plain ? 0 : names.indexOf(name) % 5}" x="${left}" y="${y + 2}" width="${round(end - left)}" height="16" rx="2"/>`,
        `<path class="whisker" d="M${round(x(value.p10))} ${y + 10}H${round(x(value.p90))}m0 -4v8M${round(x(value.p10))} ${y + 6}v8"/>`,
        text(Math.max(end, x(value.p90)) + 8, y + 14, 'text', numbers.format(value.median)),
      )
      y += 23
    }
    y += 13
  }
  const bottom = y - 6
  const grid = scale.ticks.flatMap((tick) => [
    `<path class="grid" d="M${round(x(tick))} ${top - 6}V${bottom}"/>`,
    text(x(tick), bottom + 17, 'faint', numbers.format(tick), 'middle'),
  ])
  const line =
    limit === undefined
      ? []
      : [
          `<path class="limit" d="M${round(x(limit.value))} ${top - 6}V${bottom}"/>`,
          text(x(limit.value) + 6, top - 10, 'limit-text', limit.name),
        ]
  return { height: bottom + 34, body: [...grid, ...body, ...line] }
}

function drawLines({ positions, positionAxis, series, logarithmic = false, limit }: LineChart): { height: number; body: string[] } {
  const [left, right, top, bottom] = [76, width - 190, 78, 318]
  const known = series.flatMap(({ values }) => values.flatMap((value) => (value === undefined ? [] : [value.p10, value.median, value.p90])))
  const scale = scaleOf([...known, ...(limit === undefined ? [] : [limit.value])], logarithmic)
  const y = (value: number): number => bottom - scale.at(value) * (bottom - top)
  const x = (index: number): number => left + 24 + (index * (right - left - 48)) / Math.max(1, positions.length - 1)
  const body = [
    ...scale.ticks.flatMap((tick) => [
      `<path class="grid" d="M${left} ${round(y(tick))}H${right}"/>`,
      text(left - 10, y(tick) + 4, 'faint', numbers.format(tick), 'end'),
    ]),
    ...positions.map((position, index) => text(x(index), bottom + 20, 'text', position, 'middle')),
    text((left + right) / 2, bottom + 42, 'faint', positionAxis, 'middle'),
  ]
  if (limit !== undefined)
    body.push(
      `<path class="limit" d="M${left} ${round(y(limit.value))}H${right}"/>`,
      text(left + 4, y(limit.value) - 6, 'limit-text', limit.name),
    )
  const ends: { y: number; name: string; index: number }[] = []
  for (const [index, { name, values }] of series.entries()) {
    const points = values.flatMap((value, position) => (value === undefined ? [] : [{ position, value }]))
    const forth = points.map(({ position, value }) => `${round(x(position))} ${round(y(value.p90))}`)
    const back = points.toReversed().map(({ position, value }) => `${round(x(position))} ${round(y(value.p10))}`)
    const middle = points.map(({ position, value }) => `${round(x(position))} ${round(y(value.median))}`)
    body.push(
      `<path class="band fill${index % 5}" d="M${[...forth, ...back].join('L')}Z"/>`,
      `<path class="line line${index % 5}" d="M${middle.join('L')}"/>`,
      ...points.map(
        ({ position, value }) => `<circle class="fill${index % 5}" cx="${round(x(position))}" cy="${round(y(value.median))}" r="4"/>`,
      ),
    )
    const last = points.at(-1)
    if (last !== undefined) ends.push({ y: y(last.value.median), name: `${name}: ${numbers.format(last.value.median)}`, index })
  }
  // Names stand where their lines end, and no two in one place.
  let free = 0
  for (const end of ends.sort((one, other) => one.y - other.y)) {
    const at = Math.max(end.y, free)
    body.push(
      `<circle class="fill${end.index % 5}" cx="${right + 14}" cy="${round(at)}" r="4"/>`,
      text(right + 24, at + 4, 'text', end.name),
    )
    free = at + 18
  }
  return { height: bottom + 60, body }
}

function text(x: number, y: number, kind: string, content: string, anchor: 'start' | 'middle' | 'end' = 'start'): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}"${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escape(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
