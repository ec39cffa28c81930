import type { Command } from 'commander'
import { answerCommand } from '../answer.ts'

export function denyCommand(): Command {
  return answerCommand('deny', 'denied', 'refuse a waiting call')
}
