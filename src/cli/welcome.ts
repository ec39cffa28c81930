import type { Command } from 'commander'
import { colours, print } from './output/terminal.ts'

/** `jit` alone: where to begin, then what there is. */
export function welcome(program: Command): void {
  const step = (number: number, text: string, example: string): void => {
    print(`  ${colours.bold(String(number))}  ${text}`)
    print(`     ${colours.cyan(example)}\n`)
  }
  print(`${colours.bold('jit')} gives each tool call of an MCP server its own short-lived credential.\n`)
  step(1, 'Register once where credentials come from', 'jit login github-app')
  step(2, 'Put a server behind jit, and say what is allowed', 'jit add --help')
  step(3, 'Paste what that prints into your MCP client, then watch', 'jit audit --follow')
  program.outputHelp()
}
