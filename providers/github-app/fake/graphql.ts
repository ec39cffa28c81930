import { buildSchema, GraphQLError, graphqlSync } from 'graphql'
import { z } from 'zod'
import { type Answer, type Asked, type Caller, holds, invalid, repositories, withToken } from './answers.ts'
import { issueOf, labelOf } from './shapes.ts'
import type { FakeIssue, FakeRepository } from './state.ts'

/** The part of GitHub's schema that is built here, under GitHub's names. */
const schema = buildSchema(`
  type Query { repository(owner: String!, name: String!): Repository }
  type Repository {
    id: ID!
    nameWithOwner: String!
    issue(number: Int!): Issue
    labels(first: Int, after: String, orderBy: LabelOrder): LabelConnection
  }
  type Issue { id: ID!, number: Int!, title: String!, body: String!, labels(first: Int, after: String): LabelConnection }
  type LabelConnection { nodes: [Label], totalCount: Int! }
  type Label { id: ID!, name: String!, color: String!, description: String }
  input LabelOrder { field: LabelOrderField!, direction: OrderDirection! }
  enum LabelOrderField { NAME CREATED_AT ISSUE_COUNT }
  enum OrderDirection { ASC DESC }
`)

const question = z.object({ query: z.string(), variables: z.record(z.string(), z.unknown()).optional() })

/** POST /graphql: 200 also where it refuses, as GitHub does it; what a token does not reach is not there. */
export function answerGraphql({ body }: Asked, caller: Caller): Answer {
  return withToken(caller, (token) => {
    const asked = question.safeParse(body)
    if (!asked.success) return invalid('A query attribute must be specified and must be a string.')
    const repository = ({ owner, name }: { owner: string; name: string }): unknown => {
      const fullName = `${owner}/${name}`.toLowerCase()
      const found = repositories(caller, token).find((known) => known.fullName.toLowerCase() === fullName)
      if (found === undefined) throw refused('NOT_FOUND', `Could not resolve to a Repository with the name '${owner}/${name}'.`)
      return repositoryNode(found, () => {
        if (!holds(token, { issues: 'read' })) throw refused('FORBIDDEN', 'Resource not accessible by integration')
      })
    }
    const { query, variables = {} } = asked.data
    return { status: 200, body: graphqlSync({ schema, source: query, rootValue: { repository }, variableValues: variables }) }
  })
}

function repositoryNode(repository: FakeRepository, mayReadIssues: () => void): Record<string, unknown> {
  return {
    id: `R_${repository.id}`,
    nameWithOwner: repository.fullName,
    labels() {
      mayReadIssues()
      return labelNodes(repository, [...new Set(repository.issues.flatMap((issue) => issue.labels ?? []))])
    },
    issue({ number }: { number: number }) {
      mayReadIssues()
      const issue = repository.issues.find((known) => known.number === number)
      if (issue === undefined) throw refused('NOT_FOUND', `Could not resolve to an Issue with the number of ${number}.`)
      return issueNode(repository, issue)
    },
  }
}

function issueNode(repository: FakeRepository, issue: FakeIssue): Record<string, unknown> {
  return {
    ...issueOf(repository, issue),
    id: `I_${repository.id}_${issue.number}`,
    labels: () => labelNodes(repository, issue.labels ?? []),
  }
}

function labelNodes(repository: FakeRepository, names: readonly string[]): Record<string, unknown> {
  const nodes = names.map((name, index) => ({ ...labelOf(repository, name, index), id: `LA_${repository.id}_${name}` }))
  return { nodes, totalCount: nodes.length }
}

function refused(type: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { type } })
}
