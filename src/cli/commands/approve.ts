import type { Command } from 'commander'
import { answerCommand } from '../answer.ts'

export function approveCommand(): Command {
  return answerCommand('approve', 'approved', 'let a waiting call through, this once')
}
